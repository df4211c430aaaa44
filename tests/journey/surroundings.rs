//! The files, keys and editors of a user, as they are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{PROD, Sandbox};

#[test]
fn new_files_follow_the_umask_and_a_path_for_init_means_the_same_in_every_folder() {
    let sandbox = Sandbox::new();
    sandbox.key();
    let mode = |path: &str| {
        fs::metadata(sandbox.path(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    sandbox
        .sh("umask 077 && stax secrets init --env production")
        .ok();
    sandbox
        .sh("umask 002 && stax secrets init --env staging")
        .ok();
    assert_eq!([mode(PROD), mode(".stax/vault.json")], [0o600, 0o600]);
    assert_eq!(mode("infra/secrets/staging.enc.yaml"), 0o664);
    sandbox.write("plain.env", "A=b\n");
    let encrypt = "stax secrets encrypt plain.env -o infra/secrets/staging.enc.env";
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", sandbox.key()),
    );
    sandbox.sh(&format!("umask 002 && {encrypt}")).ok();
    assert_eq!(mode("infra/secrets/staging.enc.env"), 0o664);
    // plaintext stays private
    sandbox
        .sh("umask 002 && stax secrets decrypt infra/secrets/staging.enc.env -o out.env")
        .ok();
    assert_eq!(mode("out.env"), 0o600);

    for folder in ["with/infra/secrets", "without"] {
        fs::create_dir_all(sandbox.path(folder)).unwrap();
        let top = folder.split('/').next().unwrap();
        let below = sandbox.at(sandbox.path(top));
        below
            .stax([
                "secrets",
                "init",
                "--env",
                top,
                "--file",
                "infra/secrets/x.enc.yaml",
            ])
            .ok();
        assert!(
            sandbox
                .path(&format!("{top}/infra/secrets/x.enc.yaml"))
                .exists()
        );
    }
}

#[test]
fn a_key_that_others_can_read_and_one_that_is_not_there_are_told() {
    let sandbox = Sandbox::with_store();
    sandbox.stax(["secrets", "status"]).ok().hides("chmod");
    fs::set_permissions(sandbox.key_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let told = "others can read the secret key in ~/.config/sops/age/keys.txt (mode 644)";
    sandbox.stax(["secrets", "status"]).ok().prints(told);
    sandbox.stax(["secrets", "pubkey"]).ok().says(told);
    let get = ["secrets", "get", "PORT"];
    let tilde = sandbox.keyless().with("SOPS_AGE_KEY_FILE", "~/k.txt");
    tilde
        .stax(get)
        .exits(3)
        .says("literal `~`, which only a shell expands")
        .hides("keygen");
    let garbage = sandbox.keyless().with("SOPS_AGE_KEY", "garbage");
    garbage
        .stax(get)
        .exits(3)
        .says("hint: mend SOPS_AGE_KEY, or unset it")
        .hides("keygen")
        .hides("garbage");
    garbage.stax(["secrets", "status"]).ok().hides("keygen");
    sandbox
        .keyless()
        .stax(get)
        .exits(3)
        .says("stax secrets keygen");
}

#[test]
fn an_editor_that_opens_a_window_is_told_to_wait() {
    let sandbox = Sandbox::with_store();
    let folder = sandbox.home.join("bin");
    fs::create_dir(&folder).unwrap();
    let code = folder.join("code");
    fs::copy(sandbox.script("exit 0"), &code).unwrap();
    for (line, hint) in [
        (code.display().to_string(), true),
        (format!("{} --wait", code.display()), false),
    ] {
        let output = sandbox
            .with("VISUAL", line)
            .stax(["secrets", "edit"])
            .ok()
            .says("nothing changed");
        assert_eq!(
            output.stderr.contains("VISUAL=\"code --wait\""),
            hint,
            "{output}"
        );
    }
}

#[test]
fn a_row_for_somebody_who_reads_already_is_no_new_access() {
    let sandbox = Sandbox::with_store();
    let bob = sandbox.person("bob");
    sandbox.add_recipient(&bob, "Bob", "dev").ok();
    let rows = sandbox.read("infra/secrets/recipients.md");
    let without: String = rows
        .lines()
        .filter(|row| !row.contains("| Bob "))
        .map(|row| format!("{row}\n"))
        .collect();
    sandbox.write("infra/secrets/recipients.md", without);
    let again = sandbox.add_recipient(&bob, "Bob", "dev").ok();
    again
        .prints("+ Bob, dev: a row in infra/secrets/recipients.md; they read production as before");
}
