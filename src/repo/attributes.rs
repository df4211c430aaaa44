//! Which line of which file decides about an attribute. git tells the value alone.

use std::fs;
use std::path::{Path, PathBuf};

use super::plumbing::answer;
use super::{Attribute, ObjectId, Repo, RepoError};

/// The attribute under which git hands back the number of a line.
const MARK: &str = "stax-line";

/// One line of a file of attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeLine {
    /// From the root of the work tree, or an absolute path outside of it.
    pub file: String,
    pub number: usize,
    pub text: String,
}

struct AttributeFile {
    name: String,
    /// Its patterns are read from this folder of the work tree.
    folder: String,
    text: String,
}

impl Repo {
    /// The line that git obeys for one attribute of a path: the last one that matches and says
    /// something of it. The files are those of this clone and of its user; of the machine's own
    /// (`/etc/gitattributes`) nothing is known.
    ///
    /// # Errors
    /// [`RepoError`] when a file or git cannot be read.
    pub fn attribute_line(
        &self,
        path: &str,
        name: &str,
    ) -> Result<Option<AttributeLine>, RepoError> {
        let sources = self.attribute_files(path)?;
        let names = names_that_set(name, &sources);
        let (mut lines, mut marked) = (Vec::new(), String::new());
        for source in &sources {
            for (number, text) in source.text.lines().enumerate() {
                let Some(line) = PatternLine::read(text).filter(|line| line.sets(&names)) else {
                    continue;
                };
                marked += &format!(
                    "{} {MARK}={}\n",
                    line.pattern_from(&source.folder),
                    lines.len()
                );
                let (file, text) = (source.name.clone(), text.trim().to_owned());
                lines.push(AttributeLine {
                    file,
                    number: number + 1,
                    text,
                });
            }
        }
        if lines.is_empty() {
            return Ok(None);
        }
        // git itself matches the patterns, so that there is no second reading of them
        let mut command = self.plumbing()?;
        command.current_dir(self.root());
        command.args([
            "-c",
            "core.attributesFile=/dev/stdin",
            "check-attr",
            "-z",
            MARK,
            "--",
            path,
        ]);
        let answer = answer(command, marked.as_bytes())?.unwrap_or_default();
        let value = answer
            .split(|byte| *byte == 0)
            .nth(2)
            .and_then(|value| std::str::from_utf8(value).ok());
        let at = value.and_then(|value| value.parse::<usize>().ok());
        Ok(at.and_then(|at| lines.into_iter().nth(at)))
    }

    /// An attribute, also where the pattern that names the path has to stand in quotes, which
    /// libgit2 does not read. For such a path git is started.
    ///
    /// # Errors
    /// As [`attribute`](Self::attribute).
    pub fn attribute_in_quotes(&self, path: &str, name: &str) -> Result<Attribute, RepoError> {
        if needs_quotes(path) {
            self.ask_attribute(&[], path, name)
        } else {
            self.attribute(path, name)
        }
    }

    /// The same by what the next commit would hold.
    ///
    /// # Errors
    /// As [`attribute`](Self::attribute).
    pub fn attribute_staged_in_quotes(
        &self,
        path: &str,
        name: &str,
    ) -> Result<Attribute, RepoError> {
        match needs_quotes(path) {
            true => self.ask_attribute(&["--cached"], path, name),
            false => self.attribute_staged(path, name),
        }
    }

    fn ask_attribute(
        &self,
        options: &[&str],
        path: &str,
        name: &str,
    ) -> Result<Attribute, RepoError> {
        let mut command = self.plumbing()?;
        command
            .current_dir(self.root())
            .arg("check-attr")
            .args(options)
            .args(["-z", name, "--", path]);
        let answer = answer(command, b"")?.unwrap_or_default();
        Ok(value(
            answer.split(|byte| *byte == 0).nth(2).unwrap_or_default(),
        ))
    }

    /// Attributes of paths by the files that a commit holds, in the order of the paths. git is
    /// asked, since only it reads them from a commit; `None` where this git is older than 2.41,
    /// which does not either.
    ///
    /// # Errors
    /// [`RepoError::Git`] when git cannot be started.
    pub fn attributes_at(
        &self,
        commit: ObjectId,
        name: &str,
        paths: &[&str],
    ) -> Result<Option<Vec<Attribute>>, RepoError> {
        if paths.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut command = self.plumbing()?;
        if self.git.workdir().is_some() {
            command.current_dir(self.root());
        }
        command.args([
            "check-attr",
            "-z",
            "--stdin",
            &format!("--source={commit}"),
            name,
        ]);
        let input: Vec<u8> = paths
            .iter()
            .flat_map(|path| path.bytes().chain([0]))
            .collect();
        let Ok(answer) = answer(command, &input) else {
            return Ok(None);
        };
        let answer = answer.unwrap_or_default();
        let values = answer
            .split(|byte| *byte == 0)
            .skip(2)
            .step_by(3)
            .map(value);
        let values: Vec<Attribute> = values.collect();
        Ok((values.len() == paths.len()).then_some(values))
    }

    /// Whether git hands a path to the driver or filter of stax.
    ///
    /// # Errors
    /// As [`attribute`](Self::attribute).
    pub fn is_for_stax(&self, path: &str, name: &str) -> Result<bool, RepoError> {
        Ok(self.attribute_in_quotes(path, name)? == Attribute::Value("stax".to_owned()))
    }

    /// In the order in which git reads them: a later file wins.
    fn attribute_files(&self, path: &str) -> Result<Vec<AttributeFile>, RepoError> {
        let at_top = |file: &Path| {
            let name = file
                .strip_prefix(self.root())
                .unwrap_or(file)
                .display()
                .to_string();
            Some(AttributeFile {
                name,
                folder: String::new(),
                text: lossy(fs::read(file).ok()?),
            })
        };
        let user = self.attributes_of_user()?;
        let mut sources = Vec::from_iter(user.and_then(|file| at_top(&file)));
        let ends = path.match_indices('/').map(|(at, _)| at + 1);
        for end in std::iter::once(0).chain(ends) {
            let (folder, name) = (
                path[..end].to_owned(),
                format!("{}.gitattributes", &path[..end]),
            );
            let file = self.root().join(&name);
            // git follows no link here, and takes what is not checked out from the index
            let bytes = match fs::symlink_metadata(&file) {
                Ok(found) if found.is_file() => fs::read(&file).ok(),
                Ok(_) => None,
                Err(_) => self.index_blob(&name)?,
            };
            sources.extend(bytes.map(|bytes| AttributeFile {
                name,
                folder,
                text: lossy(bytes),
            }));
        }
        sources.extend(at_top(&self.common_dir().join("info/attributes")));
        Ok(sources)
    }

    fn attributes_of_user(&self) -> Result<Option<PathBuf>, RepoError> {
        if let Some(path) = self.config_path("core.attributesFile")? {
            return Ok(Some(path));
        }
        let named = |name: &str| {
            std::env::var_os(name)
                .filter(|text| !text.is_empty())
                .map(PathBuf::from)
        };
        let config = named("XDG_CONFIG_HOME").or_else(|| Some(named("HOME")?.join(".config")));
        Ok(config.map(|config| config.join("git/attributes")))
    }
}

fn needs_quotes(path: &str) -> bool {
    path.contains([' ', '"', '\t', '#', '!', '\\'])
}

/// As `git check-attr` says it.
fn value(said: &[u8]) -> Attribute {
    match said {
        b"" | b"unspecified" => Attribute::Unspecified,
        b"set" => Attribute::True,
        b"unset" => Attribute::False,
        value => Attribute::Value(lossy(value.to_vec())),
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The attribute, and the macros that say something of it.
fn names_that_set(name: &str, sources: &[AttributeFile]) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    if ["diff", "merge", "text"].contains(&name) {
        names.push("binary".to_owned());
    }
    // git reads macros at the top alone
    let top = sources.iter().filter(|source| source.folder.is_empty());
    let macros: Vec<(&str, PatternLine<'_>)> = top
        .flat_map(|source| source.text.lines())
        .filter_map(PatternLine::read_macro)
        .collect();
    let mut known = 0;
    while known < names.len() {
        known = names.len();
        for (name, line) in &macros {
            if line.sets(&names) && !names.iter().any(|known| known == name) {
                names.push((*name).to_owned());
            }
        }
    }
    names
}

struct PatternLine<'a> {
    /// As it stands, with quotes.
    pattern: &'a str,
    states: &'a str,
}

impl<'a> PatternLine<'a> {
    /// `None` for what git passes over, and for a macro.
    fn read(text: &'a str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.starts_with(['#', '!']) || text.starts_with("[attr]") {
            return None;
        }
        let end = match text.strip_prefix('"') {
            Some(rest) => quote_end(rest)? + 2,
            None => text.find([' ', '\t']).unwrap_or(text.len()),
        };
        Some(Self {
            pattern: &text[..end],
            states: &text[end..],
        })
    }

    fn read_macro(text: &'a str) -> Option<(&'a str, Self)> {
        let text = text.trim().strip_prefix("[attr]")?.trim_start();
        let end = text.find([' ', '\t']).unwrap_or(text.len());
        Some((
            &text[..end],
            Self {
                pattern: "",
                states: &text[end..],
            },
        ))
    }

    /// Whether it says something of the first name, directly or by one of the macros behind it.
    fn sets(&self, names: &[String]) -> bool {
        let Some((name, macros)) = names.split_first() else {
            return false;
        };
        self.states.split_ascii_whitespace().any(|state| {
            let bare = state
                .trim_start_matches(['-', '!'])
                .split('=')
                .next()
                .unwrap_or_default();
            bare == name || macros.iter().any(|one| one == state)
        })
    }

    /// The same pattern, read from the root.
    fn pattern_from(&self, folder: &str) -> String {
        if folder.is_empty() {
            return self.pattern.to_owned();
        }
        let inner = match self.pattern.strip_prefix('"') {
            Some(quoted) => quoted.trim_end_matches('"').to_owned(),
            None => escaped(self.pattern),
        };
        let literal: String = folder
            .chars()
            .flat_map(|c| "*?[]\\".contains(c).then_some('\\').into_iter().chain([c]))
            .collect();
        let gap = if inner.contains('/') { "" } else { "**/" };
        format!(
            "\"/{}{gap}{}\"",
            escaped(&literal),
            inner.trim_start_matches('/')
        )
    }
}

/// Where the text within quotes ends.
fn quote_end(rest: &str) -> Option<usize> {
    let mut is_escaped = false;
    rest.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

/// For the inside of quotes.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| "\"\\".contains(c).then_some('\\').into_iter().chain([c]))
        .collect()
}
