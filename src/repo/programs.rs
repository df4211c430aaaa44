//! Programs that the configuration of a repository would have git start. A folder that came as an
//! archive brings its own `.git/config`; when stax asks git about it, that file starts nothing.
//! What the user has in a configuration of their own, or hands over with `git -c`, counts as ever.
//!
//! The names are those of git-config(1) and git-hook(1) that lead to a program. `difftool`,
//! `mergetool`, `merge.*.driver` and `diff.*.textconv` are not among them: stax starts no git that
//! merges or shows a diff.

use std::collections::BTreeSet;

use super::scopes::{Setting, SettingOwner};

/// What the environment of git takes on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shield {
    /// Settings that win over those of the repository, in the order of `git -c`.
    pub settings: Vec<(Vec<u8>, Vec<u8>)>,
    /// The repository names a command for `git://`; of several the first one counts, so that no
    /// setting takes it back.
    pub has_git_proxy: bool,
    /// The same of the program at the other end of a fetch; there an option takes it back:
    /// [`upload_pack`].
    pub has_upload_pack: bool,
}

/// What takes the place of a program where its user names none.
const PROGRAMS: [(&[u8], &[u8]); 12] = [
    (b"core.fsmonitor", b"false"),
    (b"core.sshcommand", b"ssh"),
    (b"ssh.variant", b"auto"),
    (b"core.askpass", b""),
    (b"core.alternaterefscommand", b"true"),
    (b"core.editor", b":"),
    (b"core.pager", b"cat"),
    (b"gpg.program", b"gpg"),
    (b"gpg.x509.program", b"gpgsm"),
    (b"gpg.ssh.program", b"ssh-keygen"),
    (b"diff.external", b"true"),
    (b"sequence.editor", b":"),
];

/// The same for each section `[kind "…"]`.
const IN_SECTIONS: [(&[u8], &[u8], &[u8]); 5] = [
    (b"filter", b"clean", b""),
    (b"filter", b"smudge", b""),
    (b"filter", b"process", b""),
    (b"filter", b"required", b"false"),
    (b"hook", b"command", b"true"),
];

/// Transports that start no program by a name of the repository. A file is fetched by
/// `git-upload-pack`, which reads what it would run from its user's configuration alone.
const TRANSPORTS: [&[u8]; 5] = [b"http", b"https", b"git", b"ssh", b"file"];

impl Shield {
    /// Against the settings of a repository, which come in git's order: later ones win.
    pub fn against(settings: &[Setting]) -> Self {
        let mut shield = Self {
            settings: Vec::new(),
            has_git_proxy: foreign(settings).any(|setting| setting.name == b"core.gitproxy"),
            has_upload_pack: foreign(settings)
                .any(|setting| is_in(&setting.name, b"remote", b"uploadpack")),
        };
        shield.add_hooks(settings);
        shield.add_programs(settings);
        shield.add_helpers(settings);
        shield.add_transports(settings);
        shield
    }

    /// Hooks stand in the repository where no configuration says another place.
    fn add_hooks(&mut self, settings: &[Setting]) {
        let deciding = settings
            .iter()
            .rfind(|setting| setting.name == b"core.hookspath");
        if deciding.is_none_or(|setting| setting.owner == SettingOwner::Repository) {
            self.put(b"core.hooksPath", b"/dev/null");
        }
    }

    fn add_programs(&mut self, settings: &[Setting]) {
        let mut judged = BTreeSet::new();
        // from the back: the last word decides
        for setting in settings.iter().rev() {
            let Some((name, harmless)) = program(&setting.name) else {
                continue;
            };
            if judged.insert(name) && setting.owner == SettingOwner::Repository {
                let is_own = |other: &&Setting| {
                    other.owner == SettingOwner::User
                        && program(&other.name).is_some_and(|(known, _)| known == name)
                };
                self.put(
                    name,
                    settings
                        .iter()
                        .rfind(is_own)
                        .map_or(harmless, Setting::text),
                );
            }
        }
    }

    /// Every helper of the list runs; an empty one begins the list anew.
    fn add_helpers(&mut self, settings: &[Setting]) {
        let is_helper = |setting: &&Setting| is_in(&setting.name, b"credential", b"helper");
        if !foreign(settings).any(|setting| is_helper(&setting)) {
            return;
        }
        self.put(b"credential.helper", b"");
        for own in settings
            .iter()
            .filter(is_helper)
            .filter(|setting| setting.owner == SettingOwner::User)
        {
            self.put(&own.name, own.text());
        }
    }

    /// Which transports git uses for an address that the repository names. By itself git starts
    /// `git-remote-NAME` for an address `NAME::…`; here only where the user's own configuration
    /// allows `NAME`.
    fn add_transports(&mut self, settings: &[Setting]) {
        let own = |name: &[u8]| {
            settings
                .iter()
                .rfind(|setting| setting.owner == SettingOwner::User && setting.name == name)
        };
        let general = own(b"protocol.allow");
        for transport in TRANSPORTS {
            let name = [b"protocol.", transport, b".allow"].concat();
            let value = own(&name).or(general).map_or(&b"always"[..], Setting::text);
            self.put(&name, value);
        }
        for setting in
            foreign(settings).filter(|setting| is_in(&setting.name, b"protocol", b"allow"))
        {
            if !self.settings.iter().any(|(name, _)| *name == setting.name) {
                self.put(
                    &setting.name,
                    own(&setting.name)
                        .or(general)
                        .map_or(b"never", Setting::text),
                );
            }
        }
    }

    fn put(&mut self, name: &[u8], value: &[u8]) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// `GIT_CONFIG_PARAMETERS`, in which git hands `-c` on to its children, with the settings
    /// behind those that are there. Not argv: a helper of the user's own may hold a password.
    pub fn parameters(&self, present: &[u8]) -> Vec<u8> {
        let mut text = present.to_owned();
        for (name, value) in &self.settings {
            if !text.is_empty() {
                text.push(b' ');
            }
            if name.contains(&b'=') {
                // the newer form; a git that does not know it ends with an error
                text.extend([quoted(name), quoted(value)].join(&b'='));
            } else {
                text.extend(quoted(&[name, value].map(Vec::as_slice).join(&b'=')));
            }
        }
        text
    }
}

/// The program at the other end of a fetch, as the user names it.
pub(super) fn upload_pack<'s>(settings: &'s [Setting], remote: &str) -> &'s [u8] {
    let name = [b"remote.", remote.as_bytes(), b".uploadpack"].concat();
    let own = settings
        .iter()
        .find(|setting| setting.owner == SettingOwner::User && setting.name == name);
    own.map_or(b"git-upload-pack", Setting::text)
}

fn foreign(settings: &[Setting]) -> impl Iterator<Item = &Setting> {
    settings
        .iter()
        .filter(|setting| setting.owner == SettingOwner::Repository)
}

/// The name under which git keeps the program of a setting, and what is harmless there.
fn program(name: &[u8]) -> Option<(&[u8], &'static [u8])> {
    // two names of one setting
    let name = if name == b"gpg.openpgp.program" {
        b"gpg.program"
    } else {
        name
    };
    let fixed = PROGRAMS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, harmless)| *harmless);
    let in_section = || {
        IN_SECTIONS
            .iter()
            .find(|(kind, end, _)| is_in(name, kind, end))
            .map(|found| found.2)
    };
    Some((name, fixed.or_else(in_section)?))
}

/// `kind.end`, or `kind.….end`.
fn is_in(name: &[u8], kind: &[u8], end: &[u8]) -> bool {
    let rest = name
        .strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix(b"."));
    let inner = rest.and_then(|rest| rest.strip_suffix(end));
    inner.is_some_and(|inner| inner.is_empty() || inner.ends_with(b"."))
}

/// In single quotes, as git reads them: a quote of its own stands outside, behind a backslash.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in text {
        match byte {
            b'\'' | b'!' => quoted.extend([b'\'', b'\\', *byte, b'\'']),
            _ => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(lines: &[(SettingOwner, &str, &str)]) -> Vec<Setting> {
        let setting = |(owner, name, value): &(SettingOwner, &str, &str)| Setting {
            owner: *owner,
            name: name.as_bytes().to_owned(),
            value: Some(value.as_bytes().to_owned()),
        };
        lines.iter().map(setting).collect()
    }

    /// Without what is there always.
    fn against(lines: &[(SettingOwner, &str, &str)]) -> Vec<String> {
        let shield = Shield::against(&settings(lines));
        let is_usual =
            |text: &String| text.ends_with(".allow=always") || text == "core.hooksPath=/dev/null";
        let text = |(name, value): &(Vec<u8>, Vec<u8>)| {
            format!(
                "{}={}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value)
            )
        };
        shield
            .settings
            .iter()
            .map(text)
            .filter(|text| !is_usual(text))
            .collect()
    }

    use SettingOwner::{Repository as Theirs, User as Own};

    #[test]
    fn what_a_repository_names_gives_way_to_what_its_user_names() {
        for (lines, expected) in [
            (&[(Own, "core.fsmonitor", "/mine")][..], &[][..]),
            (
                &[(Theirs, "core.fsmonitor", "/evil")],
                &["core.fsmonitor=false"],
            ),
            (
                &[
                    (Own, "core.fsmonitor", "/mine"),
                    (Theirs, "core.fsmonitor", "/evil"),
                ],
                &["core.fsmonitor=/mine"],
            ),
            // `git -c` comes last
            (
                &[
                    (Theirs, "core.fsmonitor", "/evil"),
                    (Own, "core.fsmonitor", "/mine"),
                ],
                &[],
            ),
            (
                &[
                    (Own, "gpg.program", "gpg2"),
                    (Theirs, "gpg.openpgp.program", "/evil"),
                ],
                &["gpg.program=gpg2"],
            ),
            (
                &[(Theirs, "filter.x.y.clean", "/evil")],
                &["filter.x.y.clean="],
            ),
            (&[(Theirs, "remote.o.url", "https://example.com")], &[]),
            (
                &[
                    (Own, "credential.helper", "store"),
                    (Own, "credential.https://a.example.helper", "own"),
                    (Theirs, "credential.https://a.example.helper", "!evil"),
                ],
                &[
                    "credential.helper=",
                    "credential.helper=store",
                    "credential.https://a.example.helper=own",
                ],
            ),
            (
                &[(Theirs, "protocol.ext.allow", "always")],
                &["protocol.ext.allow=never"],
            ),
            (
                &[
                    (Own, "protocol.gcrypt.allow", "always"),
                    (Own, "protocol.file.allow", "never"),
                ],
                &["protocol.file.allow=never"],
            ),
        ] {
            assert_eq!(against(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn hooks_run_only_where_the_user_says_where_they_are() {
        let hooks = |lines: &[(SettingOwner, &str, &str)]| {
            let shield = Shield::against(&settings(lines));
            shield
                .settings
                .iter()
                .any(|(name, value)| name == b"core.hooksPath" && value == b"/dev/null")
        };
        assert!(hooks(&[]));
        assert!(hooks(&[
            (Own, "core.hookspath", "/mine"),
            (Theirs, "core.hookspath", ".githooks")
        ]));
        assert!(!hooks(&[(Own, "core.hookspath", "/mine")]));
    }

    #[test]
    fn the_other_end_of_a_fetch_is_started_as_its_user_says() {
        let theirs = (Theirs, "remote.o.uploadpack", "/evil");
        for (lines, program, is_foreign) in [
            (&[theirs][..], "git-upload-pack", true),
            (
                &[theirs, (Own, "remote.o.uploadpack", "/mine")],
                "/mine",
                true,
            ),
            (
                &[(Own, "remote.p.uploadpack", "/mine")],
                "git-upload-pack",
                false,
            ),
        ] {
            let settings = settings(lines);
            assert_eq!(upload_pack(&settings, "o"), program.as_bytes());
            assert_eq!(Shield::against(&settings).has_upload_pack, is_foreign);
        }
    }

    #[test]
    fn parameters_stand_behind_those_of_the_caller() {
        let settings = vec![
            (b"a.b".to_vec(), b"it's !".to_vec()),
            (b"filter.x=y.clean".to_vec(), b"".to_vec()),
        ];
        let shield = Shield {
            settings,
            ..Shield::default()
        };
        let text = String::from_utf8(shield.parameters(b"'c.d'='e'")).unwrap();
        assert_eq!(
            text,
            r#"'c.d'='e' 'a.b=it'\''s '\!'' 'filter.x=y.clean'=''"#
        );
    }
}
