//! Repositories as people have them: no rule of verify cries.

use crate::support::{CANARY, PROD, Person, Sandbox, fixture};

/// No error, with a key and without one; what is printed otherwise.
#[track_caller]
fn no_error(sandbox: &Sandbox) -> String {
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .stax(["secrets", "verify", "--keyless"])
        .ok()
        .hides("error");
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .hides("error")
        .hides(CANARY)
        .stdout
}

/// Not even a warning of the rules over one tree.
#[track_caller]
fn quiet(printed: &str, files: &str) {
    assert!(
        printed.contains(files) && !printed.contains("warning["),
        "{printed}"
    );
}

#[track_caller]
fn sealed(person: &Person, path: &str, text: &str) {
    person.write(path, text);
    person.sops(["encrypt", "-i", path]).ok();
}

/// Ana alone, under a rule for every file.
fn with_policy(more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n{more}", sandbox.key()),
    );
    sandbox
}

#[test]
fn a_repository_of_sops_alone() {
    let sandbox = with_policy("");
    sealed(
        &sandbox,
        "secrets.yaml",
        &format!("A: {CANARY}\nB: {{c: [1, true, 1.5]}}\n# a comment\nD: x\n"),
    );
    sealed(
        &sandbox,
        "deep/er/secrets.json",
        "{\"A\": \"x\", \"B\": [1, {\"c\": null}]}\n",
    );
    sandbox.write(
        "README.md",
        "put your `AGE-SECRET-KEY-1…` into keys.txt; sops writes ENC[AES256_GCM,data:…\n",
    );
    sandbox.write("values.yaml", "sops: true\nname: x\n");
    quiet(&no_error(&sandbox), "2 files");
}

#[test]
fn no_policy_at_all() {
    let sandbox = Sandbox::new();
    let key = sandbox.key();
    sandbox.write("a.yaml", "A: 1\n");
    sandbox
        .sops(["encrypt", "-i", "--age", &key, "a.yaml"])
        .ok();
    quiet(&no_error(&sandbox), "1 file");
}

#[test]
fn a_policy_as_sops_nix_has_it() {
    let sandbox = Sandbox::new();
    let (ana, web) = (sandbox.key(), sandbox.person("web").key());
    sandbox.write(
        ".sops.yaml",
        format!(
            "keys:\n  - &admin_ana {ana}\n  - &host_web {web}\nadmins: [*admin_ana]\ncreation_rules:\n  \
             - path_regex: hosts/web/[^/]+\\.ya?ml$\n    key_groups:\n      - age: [*admin_ana, *host_web]\n  \
             - path_regex: hosts/gone/.*\n    key_groups:\n      - age: [*admin_ana]\n  \
             - path_regex: .*\n    key_groups:\n      - age:\n          - *admin_ana\n"
        ),
    );
    sealed(&sandbox, "hosts/web/secrets.yaml", "A: 1\n");
    sealed(&sandbox, "secrets.yaml", "A: 2\n");
    sandbox.write("hosts/web/configuration.nix", "{ }\n");
    let printed = no_error(&sandbox);
    assert!(
        printed.contains("P05") && !printed.contains("K0"),
        "{printed}"
    );
}

#[test]
fn keys_of_other_kinds_beside_age() {
    let sandbox = with_policy("    pgp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21\n");
    sandbox.write("a.yaml", "A: 1\n");
    let key = sandbox.key();
    sandbox
        .sops([
            "--config",
            "/dev/null",
            "encrypt",
            "-i",
            "--age",
            &key,
            "a.yaml",
        ])
        .ok();
    let pgp = "    pgp:\n        - created_at: \"2024-01-01T00:00:00Z\"\n          enc: |-\n            -----BEGIN PGP MESSAGE-----\n            x\n            -----END PGP MESSAGE-----\n          fp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21\n    kms: []\n    azure_kv: null\n";
    let text = sandbox.read("a.yaml").replacen(
        "    unencrypted_suffix:",
        &format!("{pgp}    unencrypted_suffix:"),
        1,
    );
    sandbox.write("a.yaml", text);
    quiet(&no_error(&sandbox), "1 file");
}

#[test]
fn manifests_of_which_a_part_is_encrypted() {
    let sandbox =
        with_policy("    encrypted_regex: ^(data|stringData)$\n    mac_only_encrypted: true\n");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: app-credentials\n  annotations:\n    \
                  secretName: my-application-credentials\nstringData:\n  password: canary-hunter2\n  empty: \"\"\n";
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  url: https://example.com\n";
    sealed(
        &sandbox,
        "app.sops.yaml",
        &format!("---\n{secret}---\n{map}"),
    );
    sealed(&sandbox, "two.sops.yaml", secret);
    sandbox.write("deployment.yaml", "kind: Deployment\nspec:\n  image: x\n");
    let printed = no_error(&sandbox);
    assert!(
        printed.contains("F04E") && !printed.contains("F07"),
        "{printed}"
    );
}

#[test]
fn policies_in_folders() {
    let sandbox = with_policy("");
    let host = sandbox.person("host").key();
    let ana = sandbox.key();
    sandbox.write(
        "talos/.sops.yaml",
        format!("creation_rules:\n  - path_regex: ^s\n    age: {ana},{host}\n"),
    );
    sealed(&sandbox, "a.yaml", "A: 1\n");
    sealed(&sandbox.at(sandbox.path("talos")), "secret.yaml", "A: 1\n");
    let printed = no_error(&sandbox);
    assert!(
        printed.contains("warning[P02") && !printed.contains("K01"),
        "{printed}"
    );
}

#[test]
fn every_format_and_names_that_say_nothing() {
    let sandbox = with_policy("");
    sealed(&sandbox, "a.ini", "[s]\npassword = x\n");
    sealed(&sandbox, "a.env", "A=x\nEMPTY=\n");
    sealed(
        &sandbox,
        "tls.pem",
        "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n",
    );
    sealed(&sandbox, "secret", "x\n");
    sealed(&sandbox, "a.json", "{\"a\": {\"b\": \"x\"}}\n");
    no_error(&sandbox);
}

#[test]
fn files_copied_reordered_and_left_behind() {
    let sandbox = with_policy("");
    sealed(&sandbox, "a.yaml", "A: 1\nB: 2\n");
    sandbox.sh("cp a.yaml b.yaml").ok();
    sandbox.sops(["set", "b.yaml", "[\"A\"]", "3"]).ok();
    sandbox.sops(["rotate", "-i", "a.yaml"]).ok();
    sandbox
        .sh("cp a.yaml c.yaml && : > empty.sops.yaml && ln -s a.yaml d.yaml")
        .ok();
    // a policy that the files have not caught up with
    sandbox.add_to_policy_only(&sandbox.key(), &sandbox.person("ravi").key());
    let printed = no_error(&sandbox);
    assert!(
        printed.contains("warning[K01") && printed.contains("notice[K04"),
        "{printed}"
    );
}

#[test]
fn a_store_of_stax_that_sops_writes_too() {
    let sandbox = Sandbox::with_store();
    sandbox
        .sops(["set", PROD, "[\"DATABASE_URL\"]", "\"postgres://other\""])
        .ok();
    sandbox.sops(["rotate", "-i", PROD]).ok();
    sandbox
        .stax(["secrets", "init", "--env", "staging", "--format", "dotenv"])
        .ok();
    sandbox
        .stax_with(["secrets", "set", "TOKEN", "-e", "staging"], "x\n")
        .ok();
    sealed_manifest(&sandbox);
    sandbox
        .stax(["secrets", "rotate", "--all"])
        .exits_with_one_of(&[0, 2]);
    no_error(&sandbox);
    sandbox.commit_all("through the hook");
}

/// Not bound: read by the general profile.
fn sealed_manifest(sandbox: &Sandbox) {
    let key = sandbox.key();
    sandbox.write(
        "k8s/secret.yaml",
        "kind: Secret\nstringData:\n  a: canary-hunter2\n",
    );
    let regex = "^stringData$";
    sandbox
        .sops([
            "--config",
            "/dev/null",
            "encrypt",
            "-i",
            "--age",
            &key,
            "--encrypted-regex",
            regex,
            "k8s/secret.yaml",
        ])
        .ok();
}

#[test]
fn every_document_of_the_fixtures() {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    let folder = std::fs::read_dir(fixture("sops")).expect("the fixtures");
    let honest = folder
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            name.contains(".enc.") && !name.contains("-dup")
        });
    for path in honest {
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        std::fs::copy(&path, sandbox.path(&name)).expect("a copy");
    }
    sandbox.git(["add", "--all"]).ok();
    let output = sandbox.stax(["secrets", "verify"]);
    let wrong: Vec<&str> = output
        .stdout
        .lines()
        .filter(|line| line.starts_with("error"))
        .collect();
    assert_eq!(wrong, [""; 0], "{output}");
}

/// What is quadratic in the files would not end here.
#[test]
fn a_thousand_copies_are_one_notice() {
    let sandbox = with_policy("");
    sealed(&sandbox, "secrets/0.yaml", "A: 1\nB: 2\nC: 3\n");
    sandbox
        .sh("for n in $(seq 1 999); do cp secrets/0.yaml secrets/$n.yaml; done")
        .ok();
    sandbox.git(["add", "--all"]).ok();
    let output = sandbox
        .stax(["secrets", "verify", "--keyless"])
        .ok()
        .prints("1000 files");
    assert_eq!(output.stdout.matches("notice[K04").count(), 1, "{output}");
}
