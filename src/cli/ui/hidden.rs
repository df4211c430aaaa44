//! A line that is typed unseen.

use std::io::{self, Write as _};
use std::thread::JoinHandle;

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::{Handle, Signals};
use zeroize::Zeroizing;

use crate::cli::escape::lines;
use crate::cli::failure::Failure;

/// A terminal hands on at most this much of one line and drops the rest unseen.
const MAX_LINE: usize = if cfg!(target_os = "macos") {
    1023
} else {
    4095
};
/// How long the rest of a paste may take to follow, in tenths of a second; nobody types the next
/// line so fast.
const PASTE: u8 = 2;

/// One line from the terminal at stdin, without its end.
pub(super) fn read(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let prompt = format!("{} (hidden): ", lines(prompt));
    let terminal = Silent::begin(prompt)?;
    let mut line = Zeroizing::new(String::with_capacity(MAX_LINE + 1));
    let read = io::stdin().read_line(&mut line);
    let has_more = terminal.swallow_the_rest();
    drop(terminal);
    let _ = writeln!(io::stderr());
    read?;
    let refuse = |what: &str| Err(Failure::usage(format!("{what}; nothing was stored")));
    if has_more {
        return refuse("the prompt takes one line, and more were pasted");
    }
    if line.len() >= MAX_LINE {
        return refuse("a terminal cuts a line of this length");
    }
    Ok(Zeroizing::new(
        line.trim_end_matches(['\n', '\r']).as_bytes().to_vec(),
    ))
}

/// The terminal shows nothing of what is typed until this is dropped, or a signal ends or stops the
/// process.
struct Silent {
    before: Termios,
    signals: Handle,
    watch: Option<JoinHandle<()>>,
}

impl Silent {
    fn begin(prompt: String) -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // before the silence, so that no signal falls between
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP])?;
        let (handle, shown) = (signals.handle(), before.clone());
        set(&silent)?;
        let _ = write!(io::stderr(), "{prompt}");
        let watch = std::thread::spawn(move || {
            for signal in signals.forever() {
                let _ = set(&shown);
                // it ends the process, or stops it until it is continued
                let _ = signal_hook::low_level::emulate_default_handler(signal);
                let _ = set(&silent);
                let _ = write!(io::stderr(), "{prompt}");
            }
        });
        Ok(Self {
            before,
            signals: handle,
            watch: Some(watch),
        })
    }

    /// Whether more than line ends follows at once. It is taken off the terminal, or a shell would
    /// run it.
    fn swallow_the_rest(&self) -> bool {
        let mut waiting = self.before.clone();
        // not by line: the last of a paste has no end
        waiting
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON);
        waiting.special_codes[SpecialCodeIndex::VMIN] = 0;
        waiting.special_codes[SpecialCodeIndex::VTIME] = PASTE;
        if tcsetattr(io::stdin(), OptionalActions::Now, &waiting).is_err() {
            return false;
        }
        let mut bytes = Zeroizing::new([0; 4096]);
        let mut has_more = false;
        while let Ok(read @ 1..) = rustix::io::read(io::stdin(), bytes.as_mut_slice()) {
            has_more |= bytes[..read]
                .iter()
                .any(|byte| !matches!(byte, b'\n' | b'\r'));
        }
        has_more
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.signals.close();
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
        let _ = set(&self.before);
    }
}

/// What was typed and not read yet is dropped: it may be half a secret.
fn set(mode: &Termios) -> rustix::io::Result<()> {
    tcsetattr(io::stdin(), OptionalActions::Flush, mode)
}
