//! Whose a file is.

use std::os::unix::fs::{MetadataExt as _, chown};

use super::*;

/// Root gives files away; anybody else can give them to a group of their own, where there is
/// another one.
#[test]
fn a_file_that_is_replaced_keeps_owner_and_group() {
    let sandbox = Sandbox::new(&[("a", "old")]);
    let file = sandbox.root().join("a");
    let own = fs::metadata(&file).unwrap().gid();
    let groups = rustix::process::getgroups().unwrap_or_default();
    let (owner, group) = match rustix::process::geteuid().is_root() {
        true => (Some(1234), Some(2345)),
        false => (
            None,
            groups
                .iter()
                .map(|group| group.as_raw())
                .find(|group| *group != own),
        ),
    };
    chown(&file, owner, group).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o660)).unwrap();
    let before = fs::metadata(&file).unwrap();
    sandbox.commit(&[write("a", Some("old"), "new")]).unwrap();
    let after = fs::metadata(&file).unwrap();
    assert_eq!(
        (after.uid(), after.gid(), after.mode()),
        (before.uid(), before.gid(), before.mode())
    );
    assert_ne!(after.ino(), before.ino());
}
