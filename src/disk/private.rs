//! A folder for cleartext: in memory where the system offers that, for this user only, and gone
//! afterwards.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::{Pid, geteuid, test_kill_process};
use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals;
use zeroize::Zeroizing;

use super::DiskError;

/// A folder of mode 0700 that is removed on drop and on every signal that would end the process and
/// can be caught. What a killed process left is removed by the next one.
pub struct PrivateDir {
    path: PathBuf,
    /// Locked while this process lives: a pid alone can be reused, or mean another process in
    /// another container that shares the folder.
    _alive: File,
}

/// What ends a process unless it is caught. Faults of the program (SIGSEGV, …) are left out: they
/// come back as soon as a handler returns.
const DEADLY: [i32; 12] = [
    SIGABRT, SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGXCPU, SIGXFSZ,
];

/// Folders that the signal thread removes.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static HELD: AtomicUsize = AtomicUsize::new(0);
static WATCH: Once = Once::new();

impl PrivateDir {
    /// Makes a folder in `$XDG_RUNTIME_DIR`, else `/dev/shm`, else the system's folder for
    /// temporary files, and removes those of dead processes there.
    ///
    /// # Errors
    /// [`DiskError`] when no folder can be made.
    pub fn create() -> Result<Self, DiskError> {
        Self::create_in(&base())
    }

    fn create_in(base: &Path) -> Result<Self, DiskError> {
        watch_signals()?;
        sweep(base);
        let mut random = [0; 8];
        getrandom::fill(&mut random).expect("the system has randomness");
        let name = format!(
            "{PREFIX}{}-{:016x}",
            std::process::id(),
            u64::from_be_bytes(random)
        );
        let path = base.join(name);
        let failed = |error| DiskError::new(&path, "make", error);
        // known to the signal thread first, so that no signal falls between
        LIVE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(path.clone());
        let made = DirBuilder::new().mode(0o700).create(&path).and_then(|()| {
            let alive = File::open(&path)?;
            flock(&alive, FlockOperation::NonBlockingLockExclusive)?;
            Ok(alive)
        });
        match made {
            Ok(alive) => Ok(Self {
                path,
                _alive: alive,
            }),
            Err(error) => {
                remove(&path);
                Err(failed(error))
            }
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a new file of mode 0600.
    ///
    /// # Errors
    /// [`DiskError::Exists`], or what the disk says.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, DiskError> {
        let path = self.path.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match file.and_then(|mut file| file.write_all(bytes)) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(DiskError::Exists(path))
            }
            Err(error) => Err(DiskError::new(&path, "write", error)),
        }
    }

    /// A folder inside, for what a program writes beside the text; made when it is not there.
    ///
    /// # Errors
    /// What the disk says.
    pub fn folder(&self, name: &str) -> Result<PathBuf, DiskError> {
        let path = self.path.join(name);
        let made = DirBuilder::new().mode(0o700).recursive(true).create(&path);
        made.map_err(|error| DiskError::new(&path, "make", error))
            .map(|()| path)
    }

    /// Reads a file back, also one that an editor put in place of the first.
    ///
    /// # Errors
    /// [`DiskError::TooLarge`] above `limit` bytes, [`DiskError::NotRegular`],
    /// [`DiskError::NotFound`].
    pub fn read(&self, name: &str, limit: usize) -> Result<Zeroizing<Vec<u8>>, DiskError> {
        let path = self.path.join(name);
        let failed = |error| DiskError::new(&path, "read", error);
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(DiskError::NotRegular(path));
        }
        let size = usize::try_from(metadata.len()).unwrap_or(limit).min(limit);
        // reserved up front, because a buffer that grows leaves copies behind
        let mut bytes = Zeroizing::new(Vec::with_capacity(size + 2));
        file.take(limit as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() > limit {
            Err(DiskError::TooLarge { path, limit })
        } else {
            Ok(bytes)
        }
    }

    /// While the value lives, Ctrl-C does nothing here. The terminal sends it to the editor too,
    /// and most editors carry on: the text must still be there. Every other signal still cleans up
    /// and ends.
    #[must_use]
    pub fn hold_interrupts(&self) -> HeldInterrupts {
        HELD.fetch_add(1, Ordering::SeqCst);
        HeldInterrupts(())
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// See [`PrivateDir::hold_interrupts`].
pub struct HeldInterrupts(());

impl Drop for HeldInterrupts {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::SeqCst);
    }
}

const PREFIX: &str = "stax-";

fn base() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = |path: &PathBuf| {
        path.is_absolute()
            && fs::metadata(path).is_ok_and(|folder| {
                folder.is_dir() && folder.uid() == geteuid().as_raw() && folder.mode() & 0o077 == 0
            })
    };
    let shared = Some(PathBuf::from("/dev/shm")).filter(|path| path.is_dir());
    let is_usable = |path: &PathBuf| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    runtime
        .filter(own)
        .into_iter()
        .chain(shared)
        .find(is_usable)
        .unwrap_or_else(std::env::temp_dir)
}

fn remove(path: &Path) {
    let _ = fs::remove_dir_all(path);
    LIVE.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .retain(|live| live != path);
}

/// Removes folders of this user whose process is dead by both signs: its pid and its lock.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(pid_of) else {
            continue;
        };
        let is_own = entry
            .metadata()
            .is_ok_and(|at| at.is_dir() && at.uid() == geteuid().as_raw());
        if !is_own || test_kill_process(pid).is_ok() {
            continue;
        }
        let is_free = File::open(entry.path())
            .is_ok_and(|folder| flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok());
        if is_free {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn pid_of(name: &str) -> Option<Pid> {
    let (pid, random) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let is_ours = random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours.then(|| Pid::from_raw(pid.parse().ok()?)).flatten()
}

/// A thread, not a handler: it may take locks and walk folders.
fn watch_signals() -> Result<(), DiskError> {
    let mut result = Ok(());
    WATCH.call_once(|| {
        result = Signals::new(DEADLY).map(|mut signals| {
            std::thread::spawn(move || signals.forever().for_each(end_by));
        });
    });
    result.map_err(|error| DiskError::new(Path::new("signals"), "watch", error))
}

/// Cleans up and dies by the same signal, so that a shell sees 128+n.
fn end_by(signal: i32) {
    if signal == SIGINT && HELD.load(Ordering::SeqCst) > 0 {
        return;
    }
    // the lock stays taken: no folder can be made any more
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    for path in live.iter() {
        let _ = fs::remove_dir_all(path);
    }
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_folder_and_its_files_are_private_and_go_away() {
        let base = tempfile::tempdir().unwrap();
        let dir = PrivateDir::create_in(base.path()).unwrap();
        let file = dir.write("a.yaml", b"x").unwrap();
        assert_eq!((mode(dir.path()), mode(&file)), (0o700, 0o600));
        assert!(matches!(
            dir.write("a.yaml", b"y"),
            Err(DiskError::Exists(_))
        ));
        assert_eq!(dir.read("a.yaml", 1).unwrap().as_slice(), b"x");
        fs::write(&file, "longer").unwrap();
        assert!(matches!(
            dir.read("a.yaml", 3),
            Err(DiskError::TooLarge { .. })
        ));
        fs::remove_file(&file).unwrap();
        assert!(matches!(dir.read("a.yaml", 3), Err(DiskError::NotFound(_))));
        symlink("/etc/passwd", &file).unwrap();
        assert!(matches!(dir.read("a.yaml", 3), Err(DiskError::Symlink(_))));
        drop(dir);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_folders_of_dead_processes_are_swept() {
        let base = tempfile::tempdir().unwrap();
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let dead = base
            .path()
            .join(format!("stax-{}-0123456789abcdef", child.id()));
        let other = base.path().join("stax-notes-0123456789abcdef");
        for path in [&dead, &other] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("secret"), "x").unwrap();
        }
        let live = PrivateDir::create_in(base.path()).unwrap();
        let _second = PrivateDir::create_in(base.path()).unwrap();
        assert!(live.path().exists() && other.exists() && !dead.exists());
    }

    /// Runs `child_waits_in_a_private_folder` in a process of its own and gives its first line.
    fn signalled(hold: bool, signals: &[&str]) -> (PathBuf, std::process::ExitStatus) {
        let base = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "disk::private::tests::child_waits_in_a_private_folder",
                "--ignored",
            ])
            .env("STAX_TEST_BASE", base.path())
            .env("STAX_TEST_HOLD", if hold { "1" } else { "0" })
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let ready = base.path().join("ready");
        while !ready.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let path = PathBuf::from(fs::read_to_string(&ready).unwrap());
        for signal in signals {
            assert!(path.exists());
            Command::new("kill")
                .arg(signal)
                .arg(child.id().to_string())
                .status()
                .unwrap();
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        (path, child.wait().unwrap())
    }

    #[test]
    #[ignore = "run by the tests that send it signals"]
    fn child_waits_in_a_private_folder() {
        crate::process::forbid_core_files();
        let base = PathBuf::from(std::env::var_os("STAX_TEST_BASE").unwrap());
        let dir = PrivateDir::create_in(&base).unwrap();
        dir.write("secret", b"x").unwrap();
        let held = (std::env::var("STAX_TEST_HOLD").unwrap() == "1").then(|| dir.hold_interrupts());
        fs::write(base.join("draft"), dir.path().to_str().unwrap()).unwrap();
        fs::rename(base.join("draft"), base.join("ready")).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(20));
        drop(held);
    }

    #[test]
    fn a_signal_removes_the_folder_and_ends_the_process_by_that_signal() {
        for number in DEADLY {
            let (path, status) = signalled(false, &[&format!("-{number}")]);
            assert_eq!(status.signal(), Some(number));
            assert!(!path.exists(), "signal {number}");
        }
    }

    #[test]
    fn an_interrupt_leaves_the_text_to_a_running_editor() {
        let (path, status) = signalled(true, &["-INT", "-INT", "-TERM"]);
        assert_eq!(status.signal(), Some(SIGTERM));
        assert!(!path.exists());
    }
}
