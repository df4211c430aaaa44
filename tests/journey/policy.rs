//! A policy that somebody else wrote: adopted, edited in place, and read by sops as by stax.

use crate::support::{CANARY, Output, PROD, Person, Sandbox};

const RAVI: &str = "Ravi Patel <ravi@example.com>";

/// As sops-nix has it: Ana reads everything, the web host the second rule.
fn policy(ana: &str, web: &str) -> String {
    format!(
        "# who reads what
keys:
  - &admin_ana {ana}   # Ana Silva
  - &host_web {web} # web-1

creation_rules:
  # production
  - path_regex: secrets/prod\\.yaml$
    key_groups:
      - age:
          - *admin_ana

  - path_regex: secrets/web\\.(yaml|json)$
    key_groups: [{{age: [*admin_ana, *host_web]}}]   # and the host
stores: {{}}
"
    )
}

/// A committed repository of sops alone.
fn with_sops_nix(change: impl Fn(String) -> String) -> (Sandbox, Person) {
    let sandbox = Sandbox::new();
    let web = sandbox.person("web");
    sandbox.write(".sops.yaml", change(policy(&sandbox.key(), &web.key())));
    for name in ["secrets/prod.yaml", "secrets/web.yaml"] {
        sandbox.write(name, format!("TOKEN: {CANARY}\n"));
        sandbox.sops(["encrypt", "-i", name]).ok();
    }
    sandbox.commit_all("as sops has it");
    (sandbox, web)
}

/// sops finds the file encrypted to exactly whom the policy names.
#[track_caller]
fn in_sync(person: &Person, file: &str) {
    let output = person.sops(["updatekeys", "-y", file]).ok();
    assert!(output.stderr.contains("already up to date"), "{output}");
}

fn add(sandbox: &Sandbox, who: &Person, more: &[&str]) -> Output {
    let key = who.key();
    let args = ["secrets", "add-recipient", &key, "--name", RAVI];
    sandbox.stax(args.into_iter().chain(more.iter().copied()))
}

#[test]
fn a_teammate_comes_and_goes_in_a_policy_of_anchors() {
    for newline in ["\n", "\r\n"] {
        let (sandbox, web) = with_sops_nix(|text| text.replace('\n', newline));
        let (before, ravi) = (sandbox.read(".sops.yaml"), sandbox.person("ravi"));
        add(&sandbox, &ravi, &["--all"])
            .ok()
            .shows("Ravi Patel")
            .hides(CANARY);
        let after = sandbox.read(".sops.yaml");
        let expected = before
            .replace(
                "# web-1",
                &format!("# web-1{newline}  - &ravi_patel {} # {RAVI}", ravi.key()),
            )
            .replacen(
                "*admin_ana",
                &format!("*admin_ana{newline}          - *ravi_patel"),
                1,
            )
            .replace("*host_web]", "*host_web, *ravi_patel]");
        assert_eq!(after, expected);
        for name in ["secrets/prod.yaml", "secrets/web.yaml"] {
            in_sync(&sandbox, name);
            ravi.sops(["decrypt", name]).ok().prints(CANARY);
        }
        assert!(
            !sandbox.path("infra").exists(),
            "the policy names people: no table is needed"
        );
        sandbox
            .stax(["secrets", "verify"])
            .ok()
            .hides("R01")
            .hides("K01");
        sandbox.git(["commit", "-qam", "add Ravi"]).ok();
        add(&sandbox, &ravi, &["--all"]).ok().shows("nothing to do");

        // by the name of the anchor; the others stay as they are
        sandbox
            .stax(["secrets", "remove-recipient", "patel", "--all"])
            .ok()
            .shows("new data key");
        assert_eq!(sandbox.read(".sops.yaml"), before);
        in_sync(&sandbox, "secrets/web.yaml");
        ravi.sops(["decrypt", "secrets/prod.yaml"])
            .exits(128)
            .hides(CANARY);
        web.sops(["decrypt", "secrets/web.yaml"])
            .ok()
            .prints(CANARY);
        sandbox.stax(["secrets", "verify"]).ok();
    }
}

#[test]
fn an_anchor_stays_while_another_rule_reads_it() {
    let (sandbox, _) = with_sops_nix(|text| text);
    let ravi = sandbox.person("ravi");
    add(&sandbox, &ravi, &["-f", "secrets/prod.yaml"]).ok();
    // known already: the alias is all that is missing
    let before = sandbox.read(".sops.yaml");
    sandbox
        .stax([
            "secrets",
            "add-recipient",
            &ravi.key(),
            "-f",
            "secrets/web.yaml",
        ])
        .ok();
    assert_eq!(
        sandbox.read(".sops.yaml"),
        before.replace("*host_web]", "*host_web, *ravi_patel]")
    );
    in_sync(&sandbox, "secrets/web.yaml");
    sandbox
        .stax([
            "secrets",
            "remove-recipient",
            "ravi_patel",
            "-f",
            "secrets/web.yaml",
        ])
        .ok();
    assert_eq!(sandbox.read(".sops.yaml"), before);
    sandbox
        .stax([
            "secrets",
            "remove-recipient",
            "host_web",
            "-f",
            "secrets/web.yaml",
        ])
        .ok();
    assert!(!sandbox.read(".sops.yaml").contains("host_web"));
    ravi.sops(["decrypt", "secrets/prod.yaml"]).ok();
}

#[test]
fn people_have_the_names_that_the_policy_gives_them() {
    let (sandbox, web) = with_sops_nix(|text| text);
    sandbox
        .stax(["secrets", "recipients"])
        .ok()
        .prints("admin_ana (Ana Silva)")
        .prints("host_web (web-1)");
    let json = sandbox
        .stax(["secrets", "recipients", "--json"])
        .ok()
        .json();
    let people = json["recipients"].as_array().expect("a list");
    let found = people
        .iter()
        .find(|person| person["key"] == web.key())
        .expect("the host");
    assert_eq!(found["name"], "host_web (web-1)");
    let trailer = sandbox.stax(["git", "textconv", "secrets/web.yaml"]).ok();
    trailer.prints(&format!("#stax recipient {} host_web (web-1)", web.key()));
    sandbox
        .person("ravi")
        .stax(["secrets", "get", "TOKEN", "-f", "secrets/web.yaml"])
        .exits(3)
        .says("host_web");
    // a file that does not follow the policy is told by name
    let changed = sandbox.read(".sops.yaml").replace(
        "          - *admin_ana\n",
        "          - *admin_ana\n          - *host_web\n",
    );
    sandbox.write(".sops.yaml", changed);
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .prints("warning[K01")
        .prints("(host_web (web-1))");
    sandbox
        .stax([
            "secrets",
            "add-recipient",
            "web-1",
            "-f",
            "secrets/prod.yaml",
        ])
        .ok();
    in_sync(&sandbox, "secrets/prod.yaml");
    sandbox.stax(["secrets", "verify"]).ok();
}

#[test]
fn init_adds_a_rule_to_a_policy_of_anchors_and_no_other_byte() {
    let (sandbox, _) = with_sops_nix(|text| text);
    let (policy, envrc) = (sandbox.read(".sops.yaml"), "use flake\nexport A=1");
    sandbox.write(".envrc", envrc);
    sandbox
        .stax(["secrets", "init", "--env", "production"])
        .ok();
    let rule = "\n  - path_regex: ^infra/secrets/prod\\.enc\\.yaml$\n    key_groups: [{age: [*admin_ana]}]\n";
    assert_eq!(
        sandbox.read(".sops.yaml"),
        policy.replace("stores: {}", &format!("{rule}stores: {{}}"))
    );
    let block = sandbox.read(".envrc");
    assert!(
        block.starts_with(envrc) && block.contains("# >>> stax secrets >>>"),
        "{block}"
    );
    sandbox.sh("sh -n .envrc").ok();
    sandbox.set("TOKEN", CANARY).ok();
    in_sync(&sandbox, PROD);
    sandbox.sops(["decrypt", PROD]).ok().prints(CANARY);
    sandbox.commit_all("chore(secrets): bootstrap encrypted store");
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .prints("no finding");
    let paths = [
        ".sops.yaml",
        ".envrc",
        ".gitattributes",
        "infra/secrets/recipients.md",
        ".stax/vault.json",
    ];
    let before = paths.map(|path| sandbox.read(path));
    sandbox
        .stax(["secrets", "init", "--env", "production"])
        .ok()
        .shows("nothing to do");
    assert_eq!(before, paths.map(|path| sandbox.read(path)));
}

#[test]
fn init_under_a_rule_that_fits_writes_rows_for_the_people_it_names() {
    let (sandbox, web) = with_sops_nix(|text| text);
    let policy = sandbox.read(".sops.yaml");
    sandbox
        .stax([
            "secrets",
            "init",
            "--env",
            "production",
            "--file",
            "secrets/web.json",
        ])
        .ok();
    assert_eq!(sandbox.read(".sops.yaml"), policy);
    let roster = sandbox.read("infra/secrets/recipients.md");
    assert!(
        roster.contains(&format!("| {} | host_web (web-1) |", web.key())),
        "{roster}"
    );
    in_sync(&sandbox, "secrets/web.json");
    web.sops(["decrypt", "secrets/web.json"]).ok();
    sandbox.commit_all("adopted");
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .prints("no finding");
    sandbox
        .stax(["secrets", "recipients"])
        .ok()
        .hides("later than");
}

#[test]
fn init_in_policies_of_other_shapes() {
    let sandbox = Sandbox::new();
    let key = sandbox.key();
    let regex = "^infra/secrets/prod\\.enc\\.yaml$";
    for (before, after) in [
        (
            "# ours\ncreation_rules:\n  - path_regex: other/.*\n    age: KEY # Ana".to_owned(),
            format!("# ours\ncreation_rules:\n  - path_regex: other/.*\n    age: KEY # Ana\n  - path_regex: {regex}\n    age: KEY"),
        ),
        (
            "creation_rules:\r\n- path_regex: other\r\n  age: [\"KEY\"]\r\n- pgp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21\r\n".to_owned(),
            format!("creation_rules:\r\n- path_regex: other\r\n  age: [\"KEY\"]\r\n- path_regex: {regex}\r\n  age: [KEY]\r\n- pgp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21\r\n"),
        ),
        ("stores:\n  yaml:\n    indent: 2\n".to_owned(), format!("stores:\n  yaml:\n    indent: 2\ncreation_rules:\n  - path_regex: {regex}\n    age:\n      - KEY\n")),
        ("creation_rules:\n  - age: KEY\n".to_owned(), "creation_rules:\n  - age: KEY\n".to_owned()),
    ] {
        let sandbox = Sandbox::new();
        let own = sandbox.key();
        sandbox.write(".sops.yaml", before.replace("KEY", &own));
        sandbox.stax(["secrets", "init", "--env", "production"]).ok();
        assert_eq!(sandbox.read(".sops.yaml"), after.replace("KEY", &own));
        sandbox.sops(["decrypt", PROD]).ok().prints_exactly("{}\n");
        in_sync(&sandbox, PROD);
    }
    // where it is not sure, nothing is written and the lines are shown
    let brackets = format!("creation_rules: [{{path_regex: other, age: {key}}}]\n");
    sandbox.write(".sops.yaml", &brackets);
    let output = sandbox
        .stax(["secrets", "init", "--env", "production"])
        .exits(2)
        .one_error();
    output
        .says("line 1")
        .shows("path_regex: ^infra/secrets")
        .shows(&format!("- {key}"));
    assert_eq!(sandbox.read(".sops.yaml"), brackets);
    assert!(!sandbox.path(".stax").exists());
}

#[test]
fn a_list_that_another_rule_reads_is_not_changed_for_one() {
    let sandbox = Sandbox::new();
    let (key, ravi) = (sandbox.key(), sandbox.person("ravi"));
    let policy = format!(
        "team: &team [{key}]\ncreation_rules:\n  - path_regex: a.yaml\n    age: *team\n  - path_regex: b.yaml\n    age: *team\n"
    );
    sandbox.write(".sops.yaml", &policy);
    for name in ["a.yaml", "b.yaml"] {
        sandbox.write(name, "k: 1\n");
        sandbox.sops(["encrypt", "-i", name]).ok();
    }
    sandbox.commit_all("two rules, one list");
    let output = add(&sandbox, &ravi, &["-f", "a.yaml"]).exits(2).one_error();
    output
        .says(".sops.yaml: line ")
        .says("the rule in line 5 reads the same list");
    assert_eq!(sandbox.read(".sops.yaml"), policy);
    add(&sandbox, &ravi, &["--all"]).ok();
    assert_eq!(
        sandbox.read(".sops.yaml"),
        policy.replace(']', &format!(", {}]", ravi.key()))
    );
    in_sync(&sandbox, "a.yaml");
    in_sync(&sandbox, "b.yaml");
}

#[test]
fn a_rule_that_matches_nothing_is_told() {
    let (sandbox, _) = with_sops_nix(|text| text);
    sandbox.stax(["secrets", "verify"]).ok().hides("P05");
    let text = sandbox.read(".sops.yaml");
    sandbox.write(".sops.yaml", text.replace("secrets/web", "secret/web"));
    let output = sandbox.stax(["secrets", "verify"]).ok();
    let output = output
        .prints("notice[P05")
        .prints("matches no file of the index");
    output
        .prints(".sops.yaml:13")
        .prints(": 2 notices; ")
        .hides("warning");
    sandbox.write(
        ".sops.yaml",
        text.replace("secrets/prod\\.yaml$", "secrets"),
    );
    sandbox
        .stax(["secrets", "verify"])
        .exits(1)
        .prints("falls to an earlier one, such as that in line 8");
}
