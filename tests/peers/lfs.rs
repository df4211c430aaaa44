//! Git LFS itself beside the hook of stax.

use crate::support::{Sandbox, files_beneath};

#[test]
fn a_push_brings_the_objects_of_git_lfs() {
    let sandbox = Sandbox::with_store();
    sandbox.git(["lfs", "install", "--skip-repo"]).ok();
    sandbox.git(["lfs", "track", "*.bin"]).ok();
    sandbox.write("large.bin", [7; 2000]);
    sandbox.commit_all("feat: a large file");
    let remote = sandbox.place().join("remote.git");
    sandbox
        .git(["init", "--quiet", "--bare", remote.to_str().unwrap()])
        .ok();
    sandbox
        .git(["remote", "add", "origin", remote.to_str().unwrap()])
        .ok();
    sandbox.git(["push", "origin", "main"]).ok();
    assert_eq!(files_beneath(&remote.join("lfs")).len(), 1);
}
