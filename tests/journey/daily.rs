//! What people type every day: words, the environment that is meant, and what a fresh clone lacks.

use crate::support::{PROD, Sandbox};

const FRESH: &str = "no drivers and no hooks of stax in this clone";

/// production and staging, each with its own PORT.
fn two_environments() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.stax(["secrets", "init", "--env", "staging"]).ok();
    sandbox
        .stax_with(["secrets", "set", "PORT", "-e", "staging"], "9999")
        .ok();
    sandbox
}

#[test]
fn nine_commands_need_no_secrets_in_front_and_run_runs_a_program() {
    let sandbox = Sandbox::with_store();
    sandbox.stax(["get", "PORT"]).ok().prints_exactly("5432\n");
    sandbox.stax_with(["set", "PORT"], "6543").ok();
    for args in [
        &["list"][..],
        &["verify", "--keyless"],
        &["diff"],
        &["log"],
        &["status"],
    ] {
        sandbox.stax(args).ok();
    }
    sandbox
        .stax(["-q", "--color", "never", "get", "PORT"])
        .ok()
        .prints_exactly("6543\n");
    sandbox
        .stax(["exec", "--", "printenv", "PORT"])
        .ok()
        .prints_exactly("6543\n");
    sandbox
        .stax(["run", "--", "printenv", "PORT"])
        .ok()
        .prints_exactly("6543\n");
    sandbox
        .stax(["run", "-e", "production", "--", "sh", "-c", "exit 7"])
        .exits(7);
}

#[test]
fn a_wrong_word_leads_to_what_was_meant() {
    let sandbox = Sandbox::with_store();
    let table = [
        ("init", "did you mean `stax secrets init`?"),
        ("rotate", "did you mean `stax secrets rotate`?"),
        ("rm", "did you mean `stax secrets unset`?"),
        ("secrets remove", "did you mean `stax secrets unset`?"),
        ("secrets lst", "'list'"),
        ("run deploy.yml", "`stax run -- CMD`"),
        ("secret list", "`stax secrets set KEY`"),
        ("vault login", "`stax secrets export`"),
    ];
    for (typed, tip) in table {
        let output = sandbox
            .stax(typed.split(' '))
            .exits(2)
            .says("tip: ")
            .says(tip);
        output.hides("remove-recipient").hides("'git'");
    }
    sandbox.stax(["gti"]).exits(2).hides("tip:");
}

#[test]
fn rm_ls_and_cat_do_what_they_say() {
    let sandbox = Sandbox::with_store();
    sandbox.stax(["secrets", "ls"]).ok().prints("PORT");
    sandbox
        .stax(["secrets", "cat", PROD])
        .ok()
        .prints("PORT: 5432");
    sandbox.stax(["secrets", "rm", "PORT"]).ok();
    sandbox
        .stax(["secrets", "delete", "PORT", "--idempotent"])
        .ok()
        .says("there is no PORT");
}

#[test]
fn the_environment_is_that_of_the_flag_the_variable_the_user_or_the_only_one() {
    let sandbox = two_environments();
    sandbox
        .get("PORT")
        .exits(2)
        .says("several environments are bound here");
    let staging = sandbox.with("STAX_ENV", "staging");
    staging.get("PORT").ok().prints_exactly("9999\n");
    staging
        .stax(["get", "PORT", "-e", "production"])
        .ok()
        .prints_exactly("5432\n");
    staging
        .stax(["get", "PORT", "-f", PROD])
        .ok()
        .prints_exactly("5432\n");
    let said = staging.stax_with(["set", "PORT"], "9998").ok().stderr;
    assert!(
        said.lines()
            .next()
            .is_some_and(|first| first.contains("environment staging, by STAX_ENV")),
        "{said}"
    );

    sandbox
        .git(["config", "--global", "stax.env", "staging"])
        .ok();
    sandbox.get("PORT").ok().prints_exactly("9998\n");
    sandbox
        .with("STAX_ENV", "production")
        .get("PORT")
        .ok()
        .prints_exactly("5432\n");
    let elsewhere = Sandbox::with_store();
    elsewhere
        .git(["config", "--global", "stax.env", "staging"])
        .ok();
    elsewhere.get("PORT").ok().prints_exactly("5432\n");
}

#[test]
fn a_repository_does_not_choose_the_environment() {
    let sandbox = two_environments();
    sandbox.git(["config", "stax.env", "staging"]).ok();
    sandbox
        .get("PORT")
        .exits(2)
        .says("several environments are bound here");
}

#[test]
fn an_environment_that_is_not_bound_is_told_with_who_names_it() {
    let sandbox = two_environments();
    let wrong = sandbox.with("STAX_ENV", "stagin");
    let said = wrong
        .get("PORT")
        .exits(2)
        .one_error()
        .says("no environment `stagin`; bound here: ");
    said.says("STAX_ENV names that environment");
    wrong.stax_with(["set", "PORT"], "1").exits(2).one_error();
}

/// Access never depends on a variable of the shell.
#[test]
fn commands_that_change_who_reads_take_no_environment_from_the_variable() {
    let sandbox = two_environments();
    let staging = sandbox.with("STAX_ENV", "staging");
    staging
        .stax(["secrets", "rotate"])
        .exits(2)
        .says("(-e production)")
        .says("(-e staging)");
    let key = sandbox.person("ravi").key();
    staging
        .stax(["secrets", "add-recipient", &key, "--name", "Ravi"])
        .exits(2)
        .says("(-e production)");
}

#[test]
fn whatever_writes_in_a_fresh_clone_says_once_that_git_checks_nothing() {
    let sandbox = Sandbox::with_store();
    sandbox.stax_with(["set", "A"], "b").ok().hides(FRESH);
    sandbox.stax(["secrets", "uninstall"]).ok();
    for args in [
        &["set", "A"][..],
        &["secrets", "unset", "A"],
        &["secrets", "rotate"],
    ] {
        let said = sandbox.stax_with(args, "c").ok();
        assert_eq!(said.stderr.matches(FRESH).count(), 1, "{said}");
        said.says("next: stax secrets install");
    }
    sandbox.get("PORT").ok().hides(FRESH);
    sandbox.stax(["secrets", "install"]).ok();
    sandbox.stax_with(["set", "A"], "d").ok().hides(FRESH);
}
