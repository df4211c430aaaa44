//! A process that holds secrets writes no core file, and the programs that its user starts through
//! it may.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the limit was when this process started.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// No core file of this process from here on. The limit stops the kernel's own files; a core that
/// is piped to a program (core(5)) knows no limit, so that where the system allows it the process
/// is not dumpable either, which exec(2) takes back by itself.
pub fn forbid_core_files() {
    let before = *BEFORE.get_or_init(|| getrlimit(Resource::Core));
    let _ = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            ..before
        },
    );
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// The limit of the user's shell, for a program that starts while this value lives.
pub(super) struct UsersLimit(());

impl UsersLimit {
    pub(super) fn lend() -> Self {
        if let Some(before) = BEFORE.get() {
            let _ = setrlimit(Resource::Core, *before);
        }
        Self(())
    }
}

impl Drop for UsersLimit {
    fn drop(&mut self) {
        if let Some(before) = BEFORE.get() {
            let _ = setrlimit(
                Resource::Core,
                Rlimit {
                    current: Some(0),
                    ..*before
                },
            );
        }
    }
}
