//! K08, and D13 beside it: what came back in a commit, and the way out.

use shell_words::quote;
use sops_document::age::{is_other_kind, person, without_comment};

use crate::ledger::{Back, Lineage, Origin, ParentSide, Return, Returns, Turn, short, short_key};
use crate::policy::config::Config;
use crate::policy::without_mail;
use crate::repo::Repo;
use crate::verify::finding::Finding;
use crate::verify::rule::RuleId;
use crate::verify::rules::change::value_returned;
use crate::workspace::history::named_in;
use crate::workspace::returns::PENDING;
use crate::workspace::{POLICY, ROSTER};

/// What the findings of one run share.
pub(in crate::verify) struct ReturnContext<'a> {
    pub(in crate::verify) repo: &'a Repo,
    pub(in crate::verify) turns: &'a Lineage<'a>,
    pub(in crate::verify) returns: &'a Returns<'a>,
}

impl ReturnContext<'_> {
    /// `path` is the name that the file has today.
    pub(in crate::verify) fn finding(&self, path: &str, one: &Return) -> Finding {
        let turn = &self.turns.turns[one.turn];
        let mut finding = match &one.what {
            Back::Reader { recipient, removal } => self.reader(path, turn, recipient, *removal),
            Back::DataKey { rotation } => self.data_key(path, turn, *rotation),
            Back::Values(values) => self.values(path, turn, values),
        };
        if turn.origin.commit == PENDING {
            finding.fix = Some(self.undo(turn));
        }
        finding
    }

    fn reader(&self, path: &str, turn: &Turn, recipient: &str, removal: usize) -> Finding {
        let name = self.name(recipient, removal);
        let who = name.as_deref().map_or_else(
            || short_key(recipient),
            |name| without_mail(name).to_owned(),
        );
        let origin = &self.turns.turns[removal].origin;
        let key = if self.returns.is_rotated(removal) {
            "with a new data key"
        } else {
            "data key kept"
        };
        let how = if !turn.is_merge() {
            "this version is from before it"
        } else if turn.sides.iter().any(|side| side.held == turn.now) {
            "the merge keeps the version before it"
        } else {
            "the merge lists them again"
        };
        let (deed, place) = (deed(turn), self.place(turn, origin));
        let finding = Finding::error(
            RuleId::K08,
            path,
            format!("{deed} lets {who} read {path} again"),
        )
        .detail(format!("removed in {place} {key}; {how}"))
        .about(recipient);
        let name = name.map_or_else(|| "NAME".to_owned(), |name| quote(&name).into_owned());
        let key = self.spelled(recipient, removal);
        let key = quote(&key);
        if turn.origin.commit != PENDING {
            let accept = serde_json::json!({"rule": "K08", "path": path, "why": "…"});
            return finding
                .fix(format!(
                    "stax secrets remove-recipient {key}   (makes a new data key)"
                ))
                .then(format!(
                    "or, if {who} is to read it, in `allow` of .stax/vault.json: {accept}"
                ));
        }
        let when = if turn.is_merge() {
            ", as the commit after the merge"
        } else {
            ""
        };
        let add = match is_other_kind(recipient) {
            true => format!(
                "name {key} in .sops.yaml and run: sops updatekeys {}",
                quote(path)
            ),
            false => format!("stax secrets add-recipient {key} --name {name}"),
        };
        finding.then(format!("then, if {who} is to return: {add}{when}"))
    }

    fn data_key(&self, path: &str, turn: &Turn, rotation: usize) -> Finding {
        let origin = &self.turns.turns[rotation].origin;
        let message = format!(
            "{} brings back the data key of {path} from before a rotation",
            deed(turn)
        );
        Finding::warning(RuleId::K08, path, message)
            .detail(format!(
                "replaced in {} ({}); who knows the older one reads what is set from now on",
                origin.short(),
                origin.date
            ))
            .fix(format!("stax secrets rotate {}", quote(path)))
    }

    fn values(&self, path: &str, turn: &Turn, values: &[(String, usize)]) -> Finding {
        let (key, at) = &values[0];
        let is_newer = |side: &&ParentSide| {
            let (old, now) = (side.held.as_ref(), turn.now.as_ref());
            old.is_some_and(|old| {
                old.value_of(key).is_some()
                    && old.value_of(key) != now.and_then(|now| now.value_of(key))
            })
        };
        let newer = turn
            .sides
            .iter()
            .find(is_newer)
            .map(|side| short(&side.commit));
        let keys: Vec<&str> = values.iter().map(|(key, _)| key.as_str()).collect();
        value_returned(
            path,
            &deed(turn),
            &keys,
            &self.turns.turns[*at].origin,
            newer,
        )
    }

    /// Commit, branch and date of a removal. Which branch brings it is told of a merge that is not
    /// made yet.
    fn place(&self, turn: &Turn, removal: &Origin) -> String {
        let at = self
            .turns
            .turns
            .iter()
            .position(|turn| *turn.origin == *removal);
        let branch = turn
            .sides
            .iter()
            .filter(|_| turn.origin.commit == PENDING && turn.is_merge())
            .find(|side| at.is_some_and(|at| self.turns.is_in(at, &side.commit)));
        let branch = branch.and_then(|side| self.branch(&side.commit));
        let branch = branch.map_or_else(String::new, |branch| format!("{branch}, "));
        format!("{} ({branch}{})", removal.short(), removal.date)
    }

    fn branch(&self, commit: &str) -> Option<String> {
        let tips = self.repo.branch_tips().ok()?;
        let mut names = tips
            .into_iter()
            .filter(|(_, tip)| tip.to_string() == commit)
            .map(|(name, _)| name);
        let head = self.repo.head_branch().filter(|_| {
            self.repo
                .head_commit()
                .ok()
                .flatten()
                .is_some_and(|head| head.to_string() == commit)
        });
        head.or_else(|| names.next())
    }

    /// How to leave the commit that is being made.
    fn undo(&self, turn: &Turn) -> String {
        if turn.is_merge() {
            let others = turn.sides.iter().skip(1);
            let names = others.map(|side| {
                self.branch(&side.commit)
                    .unwrap_or_else(|| short(&side.commit).to_owned())
            });
            let names: Vec<String> = names.map(|name| quote(&name).into_owned()).collect();
            return format!(
                "git merge --abort; git merge {}        # stax merges the file key by key",
                names.join(" ")
            );
        }
        let under_way: Vec<&str> = self.repo.operations().iter().map(|it| it.head).collect();
        match () {
            () if under_way.contains(&"CHERRY_PICK_HEAD") => "git cherry-pick --abort".to_owned(),
            () if under_way.contains(&"REVERT_HEAD") => "git revert --abort".to_owned(),
            () if turn.sides.iter().any(|side| side.held.is_some()) => {
                format!("git restore --staged --worktree {}", quote(&turn.path))
            }
            () => format!("git restore --staged {}", quote(&turn.path)),
        }
    }

    /// What somebody was called when they were removed, or is today.
    fn name(&self, recipient: &str, removal: usize) -> Option<String> {
        let texts = self.central(removal).into_iter();
        texts
            .flat_map(|(path, text)| named_in(path, &text, ""))
            .find_map(|(key, named)| {
                // a name that is only the key again says nothing
                (key == recipient && named.name != short_key(&key)).then_some(named.name)
            })
    }

    /// The key as the policy spelled it: an ssh key is one with the age key that it makes.
    fn spelled(&self, recipient: &str, removal: usize) -> String {
        let texts = self
            .central(removal)
            .into_iter()
            .filter(|(path, _)| *path == POLICY);
        let configs = texts.filter_map(|(_, text)| Some(Config::parse(&text).ok()?.0));
        let keys = configs.flat_map(|config| config.rules).flat_map(|rule| {
            rule.recipients()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        let found = keys
            .map(|key| without_comment(&key))
            .find(|key| person(key) == recipient);
        let id = recipient
            .split_once(' ')
            .filter(|_| is_other_kind(recipient))
            .map(|(_, id)| id.to_owned());
        found.or(id).unwrap_or_else(|| recipient.to_owned())
    }

    /// The table of people and the policy, before a removal and today.
    fn central(&self, removal: usize) -> Vec<(&'static str, String)> {
        let before = self.turns.turns[removal]
            .sides
            .iter()
            .filter_map(|side| side.commit.parse().ok());
        let mut texts = Vec::new();
        for commit in before.chain(self.repo.head_commit().ok().flatten()) {
            for path in [ROSTER, POLICY] {
                let text = self.repo.blob_at(commit, path).ok().flatten();
                texts.extend(
                    text.and_then(|bytes| String::from_utf8(bytes).ok())
                        .map(|text| (path, text)),
                );
            }
        }
        texts
    }
}

fn deed(turn: &Turn) -> String {
    let what = if turn.is_merge() { "merge" } else { "commit" };
    match turn.origin.short() {
        "" => format!("this {what}"),
        commit => format!("{what} {commit}"),
    }
}
