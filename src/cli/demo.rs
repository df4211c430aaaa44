//! `stax demo`

mod place;
mod proof;

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;

use place::{DemoFolder, DemoPerson};

const FILE: &str = "infra/secrets/prod.enc.yaml";
const BOB: &str = "BOBS_KEY";

/// A guided run in a throw-away repository
///
/// Runs the real commands on a repository in a temporary folder, with a home of its own: your keys,
/// keychain and git configuration are not used. At a terminal it waits for Enter before each step.
#[derive(clap::Args)]
pub struct Args {
    /// Leave the folder behind, to look around in it
    #[arg(long)]
    keep: bool,
}

/// One command of the tour, as a shell reads it, and what it must do.
struct Act {
    who: DemoPerson,
    command: &'static str,
    outcome: Outcome,
}

enum Outcome {
    /// It succeeds, and its output holds the text.
    Shows(&'static str),
    /// It fails, and its output holds the text.
    Refuses(&'static str),
}

struct Scene {
    title: &'static str,
    says: &'static str,
    acts: &'static [Act],
}

const fn ana(command: &'static str, shows: &'static str) -> Act {
    Act {
        who: DemoPerson::Ana,
        command,
        outcome: Outcome::Shows(shows),
    }
}

const fn bob(command: &'static str, shows: &'static str) -> Act {
    Act {
        who: DemoPerson::Bob,
        command,
        outcome: Outcome::Shows(shows),
    }
}

/// Shown as the command of sops, which need not be installed, and done by the engine of stax.
const UPDATEKEYS: &str = "sops updatekeys -y infra/secrets/prod.enc.yaml";

const fn refused(command: &'static str, shows: &'static str) -> Act {
    Act {
        who: DemoPerson::Ana,
        command,
        outcome: Outcome::Refuses(shows),
    }
}

const LEAVES: &str = "Bob leaves, really";

const STEPS: [Scene; 8] = [
    Scene {
        title: "a store",
        says: "Ana makes a key and starts a store; nothing in it is secret yet",
        acts: &[
            ana("git init --quiet", ""),
            ana("stax secrets keygen", "age1"),
            ana("stax secrets init --env production", "prod.enc.yaml"),
            ana(
                "git add --all && git commit --quiet -m 'chore(secrets): bootstrap encrypted store'",
                "",
            ),
        ],
    },
    Scene {
        title: "a secret",
        says: "values come from a hidden prompt or stdin; git gets ciphertext",
        acts: &[
            ana(
                "printf sk_live_4242 | stax secrets set STRIPE_SECRET_KEY",
                "",
            ),
            ana(
                "printf postgres://db.example.com/app | stax secrets set DATABASE_URL",
                "",
            ),
            ana("printf 5432 | stax secrets set PORT --type int", ""),
            ana("git commit --quiet -am 'feat: payments'", ""),
            ana(
                "git show HEAD:infra/secrets/prod.enc.yaml | head -n 3",
                "ENC[AES256_GCM",
            ),
        ],
    },
    Scene {
        title: "git sees it",
        says: "git diff shows which key changed, and to what, to those who hold a key",
        acts: &[
            ana(
                "printf sk_live_9f31 | stax secrets set STRIPE_SECRET_KEY",
                "",
            ),
            ana("git diff -U0", "+STRIPE_SECRET_KEY: sk_live_9f31"),
            ana("git commit --quiet -am 'chore: roll the Stripe key'", ""),
        ],
    },
    Scene {
        title: "git refuses",
        says: "somebody writes a value in clear and commits in a hurry",
        acts: &[
            ana(
                "{ echo 'STRIPE_WEBHOOK_SECRET: whsec_77'; cat infra/secrets/prod.enc.yaml; } > new && mv new infra/secrets/prod.enc.yaml",
                "",
            ),
            refused("git commit -am wip", "F04"),
            ana("git restore infra/secrets/prod.enc.yaml", ""),
        ],
    },
    Scene {
        title: "Bob joins",
        says: "Bob makes his own key and sends its public half; Ana lets him in; his key opens the file",
        acts: &[
            bob("stax secrets keygen", "age1"),
            ana(
                "stax secrets add-recipient BOBS_KEY --name 'Bob <bob@example.com>' --role engineer",
                "Bob",
            ),
            ana("git commit --quiet -am 'chore(secrets): add Bob'", ""),
            bob("stax secrets get STRIPE_SECRET_KEY", "sk_live_9f31"),
        ],
    },
    Scene {
        title: "Bob leaves, wrongly",
        says: "the policy without Bob and new stanzas, as `sops updatekeys` makes them (done here by stax): the data key stays, and Bob has it",
        acts: &[
            ana(
                "sed -i.old '/BOBS_KEY/d' .sops.yaml infra/secrets/recipients.md && rm .sops.yaml.old infra/secrets/recipients.md.old",
                "",
            ),
            ana(UPDATEKEYS, ""),
            refused("git commit -am 'chore: remove Bob'", "K05"),
            ana("git commit --quiet --no-verify -am 'chore: remove Bob'", ""),
            refused("stax secrets verify", "can still read 1 file"),
            ana("git reset --quiet --hard HEAD~1", ""),
        ],
    },
    Scene {
        title: LEAVES,
        says: "Bob kept the data key; a new one makes it worthless for what comes next",
        acts: &[
            ana("stax secrets remove-recipient bob@example.com", "Bob"),
            ana("git commit --quiet -am 'chore(secrets): remove Bob'", ""),
        ],
    },
    Scene {
        title: "what Bob saw",
        says: "what he could read he may have kept; the list shrinks as each value is replaced at its source",
        acts: &[
            refused("stax secrets exposure bob", "3 of 3 still exposed"),
            ana(
                "printf sk_live_5d07 | stax secrets set STRIPE_SECRET_KEY",
                "",
            ),
            ana(
                "git commit --quiet -am 'chore: roll the Stripe key after Bob'",
                "",
            ),
            refused("stax secrets exposure bob", "2 of 3 still exposed"),
        ],
    },
];

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let place = DemoFolder::new(self.keep)?;
        ui.line(
            "a throw-away repository in a temporary folder; your keys, keychain and git config are not used",
        );
        let mut saved = String::new();
        for (position, step) in STEPS.iter().enumerate() {
            if ui.is_interactive() && !ui.enter("(Enter: next, q: quit) ") {
                break;
            }
            ui.line(format!(
                "\n{}/{} {}: {}",
                position + 1,
                STEPS.len(),
                step.title,
                step.says
            ));
            let leaves = step.title == LEAVES;
            if leaves {
                saved = place.read(FILE)?;
            }
            for act in step.acts {
                perform(ui, &place, act).map_err(|failure| {
                    failure.detail(format!(
                        "in step {}/{}, {}",
                        position + 1,
                        STEPS.len(),
                        step.title
                    ))
                })?;
            }
            if leaves {
                prove(ui, &place, &saved)?;
            }
        }
        match place.kept() {
            Some(path) => ui.line(format!("\ndone; kept in {}", path.display())),
            None => ui.line("\ndone, nothing left behind (--keep keeps it)"),
        }
        ui.next(&["in your own repository: stax secrets init --env production"]);
        Ok(ExitCode::SUCCESS)
    }
}

fn perform(ui: &Ui, place: &DemoFolder, act: &Act) -> Result<(), Failure> {
    let command = if act.command.contains(BOB) {
        act.command
            .replace(BOB, &place.public_key(DemoPerson::Bob)?)
    } else {
        act.command.to_owned()
    };
    let as_bob = if act.who == DemoPerson::Bob {
        "   # as Bob"
    } else {
        ""
    };
    ui.line(format!("$ {command}{as_bob}"));
    if act.command == UPDATEKEYS {
        let (ana, bob) = (
            place.key_file(DemoPerson::Ana)?,
            place.public_key(DemoPerson::Bob)?,
        );
        return place.write(FILE, &proof::without(&place.read(FILE)?, &ana, &bob)?);
    }
    let (output, success) = place.run(act.who, &command)?;
    if !output.is_empty() {
        ui.line(output.trim_end_matches('\n'));
    }
    let (wanted, text, what) = match act.outcome {
        Outcome::Shows(text) => (true, text, "succeed"),
        Outcome::Refuses(text) => (false, text, "be refused"),
    };
    if success == wanted && output.contains(text) {
        return Ok(());
    }
    let shows = if text.is_empty() {
        String::new()
    } else {
        format!(" and show `{text}`")
    };
    Err(Failure::no(format!(
        "the demo is not true here: `{command}` should {what}{shows}"
    )))
}

/// Bob's old data key and his identity, tried on every part of the new file.
fn prove(ui: &Ui, place: &DemoFolder, saved: &str) -> Result<(), Failure> {
    let found = proof::try_old_key(saved, &place.read(FILE)?, &place.key_file(DemoPerson::Bob)?)?;
    ui.line(format!(
        "Bob's saved data key opens {} of {} values",
        found.opened, found.values
    ));
    if found.opened == 0 && !found.identity_opens && found.values > 0 {
        return Ok(());
    }
    Err(Failure::no(
        "the demo is not true here: Bob still opens the new file",
    ))
}
