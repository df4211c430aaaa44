//! What the commands about single values share: addresses, types, limits, and saving.

use std::borrow::Cow;

use sops_document::tree::Node;
use sops_document::{Cleartext, Document, EditError, Format, Path, Scalar, Step, Tree, tree};
use zeroize::Zeroizing;

use super::Which;
use super::names::AllowedNames;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::workspace::settings::Settings;
use crate::workspace::{Caller, Opened, Target, Workspace};

/// A managed value is at most this large (bytes).
const MAX_VALUE: usize = 64 << 10;
/// A managed file holds at most this many keys.
pub const MAX_KEYS: usize = 4096;
/// Writers that lose the race read again and go on.
const RACES: usize = 50;

/// An environment that was not typed.
pub(super) struct Default {
    pub(super) env: String,
    /// Where it comes from.
    pub(super) by: &'static str,
}

impl Which {
    /// Opens the workspace and says which file is meant.
    pub fn open(&self) -> Result<(Workspace, Target), Failure> {
        let workspace = Workspace::open_to_read(self.file.as_deref(), Caller::Person)?;
        let target = match &self.file {
            Some(file) => workspace.target_to_read(None, Some(file))?,
            None => self.target(&workspace)?,
        };
        Ok((workspace, target))
    }

    /// The file that is meant. Where neither `-e` nor `-f` says it, `STAX_ENV` does, then the
    /// user's `stax.env`, then there has to be only one.
    pub fn target(&self, workspace: &Workspace) -> Result<Target, Failure> {
        let Some(default) = self.default(workspace)? else {
            return Ok(workspace.target(self.env.as_deref(), self.file.as_deref())?);
        };
        workspace.target(Some(&default.env), None).map_err(|error| {
            Failure::from(error).hint(format!("{} names that environment", default.by))
        })
    }

    /// The environment that nobody typed, and where it comes from.
    pub(super) fn default(&self, workspace: &Workspace) -> Result<Option<Default>, Failure> {
        let Some(vault) = workspace.vault()?.filter(|vault| !vault.files.is_empty()) else {
            return Ok(None);
        };
        if self.env.is_some() || self.file.is_some() {
            return Ok(None);
        }
        if let Some(env) = std::env::var("STAX_ENV").ok().filter(|env| !env.is_empty()) {
            return Ok(Some(Default {
                env,
                by: "STAX_ENV",
            }));
        }
        let Ok(repo) = workspace.repo() else {
            return Ok(None);
        };
        // it is for all repositories of the user, and most have no environment of that name
        let env = Settings::of(repo)?
            .environment()
            .filter(|env| vault.file_for_env(env).is_some());
        Ok(env.map(|env| Default {
            env,
            by: "stax.env of your git configuration",
        }))
    }

    /// The same choice as words of another command, each behind a blank.
    pub fn typed(&self) -> String {
        match (&self.env, &self.file) {
            (Some(env), _) => format!(" -e {}", shell_words::quote(env)),
            (None, Some(file)) => format!(" -f {}", shell_words::quote(&file.to_string_lossy())),
            (None, None) => String::new(),
        }
    }

    /// There is no such value.
    pub fn lacks(&self, path: &Path) -> Failure {
        Failure::from(EditError::Missing(path.clone()))
            .hint(format!("see the names: stax secrets list{}", self.typed()))
    }
}

/// Applies one change to the newest version of a file; `None` when there was nothing to change.
pub fn update(
    workspace: &Workspace,
    target: &Target,
    dry_run: bool,
    change: &mut dyn FnMut(&Opened) -> Result<Option<String>, Failure>,
) -> Result<bool, Failure> {
    let mut attempt = || {
        let opened = workspace.opened(target)?;
        workspace.check_recipients(&opened.target, opened.clear.document())?;
        let Some(text) = change(&opened)? else {
            return Ok(Some(false));
        };
        let lands =
            dry_run || workspace.save_unless_changed(&[workspace.replace(&opened, text)])?;
        Ok(lands.then_some(true))
    };
    beside_others(&mut || unless_outdated(workspace, attempt()))
}

/// A refusal counts only where nobody wrote meanwhile: several files are not replaced in one
/// instant.
pub fn unless_outdated<T>(
    workspace: &Workspace,
    result: Result<Option<T>, Failure>,
) -> Result<Option<T>, Failure> {
    match result {
        Err(_) if workspace.repo().is_ok() && workspace.is_outdated()? => Ok(None),
        result => result,
    }
}

/// Attempts until one lands. `None`: somebody else wrote first, so all is read again.
pub fn beside_others<T>(
    attempt: &mut dyn FnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    for _ in 0..RACES {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
    }
    Err(Failure::usage(
        "others changed these files again and again meanwhile; nothing was written",
    ))
}

/// Tells where sops will read something else in a document than its author meant.
pub fn warn_misread(ui: &Ui, path: &str, format: Format, sealed: &str) {
    let document = Document::parse(format, sealed);
    for odd in document
        .map(|document| document.misread())
        .unwrap_or_default()
    {
        ui.warning(format!("{path}: line {}: {}", odd.line, odd.what));
    }
}

/// The path that a user typed: a key as it is, `a.b[0]`, or sops's `["a"]["b"]`, and both mixed as
/// paths are printed: `a["x.y"].z`.
pub fn parse_path(text: &str, known: &Tree) -> Result<Path, Failure> {
    let whole = Path::key(text);
    if !text.starts_with('[') && (known.find(&whole).is_some() || !text.contains(['.', '['])) {
        return Ok(whole);
    }
    let like = if text.starts_with('[') {
        r#"["a"]["b"]"#
    } else {
        "a.b[0]"
    };
    steps(text)
        .map(Path)
        .ok_or_else(|| Failure::usage(format!("`{text}` is not a path like {like}")))
}

/// The value that a name of `list` means: `a.b [document 2]` stands in the second document.
pub fn locate<'a>(text: &str, clear: &'a Cleartext) -> Result<(Cow<'a, Cleartext>, Path), Failure> {
    let Some((path, number)) = in_document(text) else {
        return Ok((Cow::Borrowed(clear), parse_path(text, clear.tree())?));
    };
    let missing = || Failure::usage(format!("`{text}`: the file has no document {number}"));
    let clear = number
        .checked_sub(1)
        .and_then(|number| clear.in_document(number))
        .ok_or_else(missing)?;
    let path = parse_path(path, clear.tree())?;
    Ok((Cow::Owned(clear), path))
}

/// `a.b [document 2]`
fn in_document(text: &str) -> Option<(&str, usize)> {
    let (path, number) = text.strip_suffix(']')?.rsplit_once(" [document ")?;
    Some((path, number.parse().ok()?))
}

/// A name without a document is one of the first. What is taken away from it twice must not be
/// taken from the next one that has the same path.
pub fn check_first(text: &str, path: &Path, clear: &Cleartext) -> Result<(), Failure> {
    let documents = &clear.tree().documents;
    let holder = documents
        .iter()
        .position(|document| document.find(&path.0).is_some());
    match holder {
        Some(number) if number > 0 && in_document(text).is_none() => {
            let name = format!("{path} [document {}]", number + 1);
            Err(
                Failure::usage(format!("`{path}` does not exist in the first document")).hint(
                    format!(
                        "of another one: stax secrets unset {}",
                        shell_words::quote(&name)
                    ),
                ),
            )
        }
        _ => Ok(()),
    }
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    loop {
        if !rest.starts_with('[') {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if key.is_empty() {
                return None;
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        }
        while let Some(inner) = rest.strip_prefix('[') {
            let mut parts =
                serde_json::Deserializer::from_str(inner).into_iter::<serde_json::Value>();
            let step = match parts.next()?.ok()? {
                serde_json::Value::String(key) => Step::Key(key),
                serde_json::Value::Number(index) => {
                    Step::Index(usize::try_from(index.as_u64()?).ok()?)
                }
                _ => return None,
            };
            steps.push(step);
            rest = inner[parts.byte_offset()..].strip_prefix(']')?;
        }
        if rest.is_empty() {
            return Some(steps);
        }
        rest = rest
            .strip_prefix('.')
            .filter(|rest| !rest.starts_with('['))?;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Type {
    Str,
    Int,
    Float,
    Bool,
    /// Any value as JSON, also a map or a list
    Json,
}

impl Type {
    /// The type that an existing value has.
    pub fn of(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Int(_) => Self::Int,
            Scalar::Float(_) => Self::Float,
            Scalar::Bool(_) => Self::Bool,
            Scalar::Str(_) | Scalar::Time(_) | Scalar::Null => Self::Str,
        }
    }

    /// As it is typed behind `--type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Str => "str",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Json => "json",
        }
    }

    /// Reads a typed value; the message names key and type, never the value.
    pub fn read(self, key: &Path, bytes: &[u8]) -> Result<Scalar, Failure> {
        let refuse = |what: &str| Failure::usage(format!("`{key}`: {what}"));
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("the value is not UTF-8 text"))?;
        if text.contains('\0') {
            return Err(refuse(
                "the value holds NUL, which no environment and no YAML can carry",
            ));
        }
        let scalar = match self {
            Self::Str => return Ok(Scalar::Str(Zeroizing::new(bytes.to_vec()))),
            Self::Int => text.trim().parse().ok().map(Scalar::Int),
            Self::Float => text
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .map(Scalar::Float),
            Self::Json => read_json(key, text)?.leaf().map(|leaf| leaf.scalar.clone()),
            Self::Bool => match text.trim() {
                "true" => Some(Scalar::Bool(true)),
                "false" => Some(Scalar::Bool(false)),
                _ => None,
            },
        };
        let name = self.name();
        let article = if name == "int" { "an" } else { "a" };
        scalar.ok_or_else(|| {
            refuse(&format!("the value is not {article} {name}"))
                .hint("choose with --type str|int|float|bool|json")
        })
    }
}

/// One JSON value, a map or a list too; the message says where it breaks off, never what stands
/// there.
pub fn read_json(key: &Path, text: &str) -> Result<Node, Failure> {
    let refuse = |what: String| Failure::usage(format!("`{key}`: the value is not JSON: {what}"));
    // the top level of a document is an object
    let wrapped = Zeroizing::new(format!("{{\"\":{text}\n}}"));
    let tree = Format::Json
        .parse(&wrapped)
        .map_err(|error| refuse(error.to_string()))?;
    let found: Vec<&Node> = tree
        .documents
        .iter()
        .flat_map(Node::entries)
        .map(|entry| &entry.node)
        .collect();
    let [only] = found.as_slice() else {
        return Err(refuse("more than one value".into()));
    };
    Ok(Node::clone(only))
}

/// The rules of a managed file: flat, names that an environment can carry, bounded.
pub fn check_managed(workspace: &Workspace, target: &Target, tree: &Tree) -> Result<(), Failure> {
    if target.env.is_none() {
        return Ok(());
    }
    let names = AllowedNames::of(workspace)?;
    let leaves = tree.leaves();
    if leaves.len() > MAX_KEYS {
        return Err(Failure::usage(format!(
            "{}: more than {MAX_KEYS} keys",
            target.path
        )));
    }
    for document in &tree.documents {
        if let Some(entry) = document
            .entries()
            .find(|entry| !matches!(entry.node.value, tree::Value::Leaf(_)))
        {
            let key = entry.key.clone().unwrap_or_default();
            return Err(Failure::usage(format!(
                "{}: `{key}` is a map or a list; a bound file is flat",
                target.path
            )));
        }
    }
    for (path, _, leaf) in &leaves {
        check_managed_value(target, path, &leaf.scalar, &names)?;
    }
    Ok(())
}

pub fn check_managed_value(
    target: &Target,
    path: &Path,
    scalar: &Scalar,
    names: &AllowedNames,
) -> Result<(), Failure> {
    let [Step::Key(name)] = path.0.as_slice() else {
        return Err(Failure::usage(format!(
            "{}: a bound file is flat; `{path}` is not",
            target.path
        )));
    };
    if name == "sops" || name.starts_with("sops_") {
        return Err(Failure::usage(format!(
            "{}: `{name}` is reserved for the metadata of SOPS",
            target.path
        )));
    }
    names.check(&target.path, name)?;
    let Scalar::Str(bytes) = scalar else {
        return Ok(());
    };
    if bytes.len() > MAX_VALUE {
        return Err(Failure::usage(format!(
            "{}: `{path}` is larger than 64 KiB",
            target.path
        )));
    }
    if bytes.contains(&0) {
        return Err(Failure::usage(format!(
            "{}: `{path}` holds NUL, which no environment can carry",
            target.path
        )));
    }
    Ok(())
}

/// A scalar for people and programs: booleans in lower case, numbers without exponent.
pub fn plain_text(scalar: &Scalar) -> Zeroizing<Vec<u8>> {
    match scalar {
        Scalar::Bool(value) => Zeroizing::new(value.to_string().into_bytes()),
        _ => scalar.plaintext().unwrap_or_default(),
    }
}

/// `str 12B`
pub fn shape(scalar: &Scalar) -> String {
    format!(
        "{} {}B",
        scalar.type_name(),
        scalar.plaintext().unwrap_or_default().len()
    )
}

/// `list of 2`, or as [`shape`].
pub fn node_shape(node: &Node) -> String {
    match &node.value {
        tree::Value::Leaf(leaf) => shape(&leaf.scalar),
        tree::Value::Map(_) => format!("map of {}", node.entries().count()),
        tree::Value::List(_) => format!("list of {}", node.entries().count()),
    }
}

/// Dotenv, INI and binary files know strings only.
pub fn default_type(format: Format, existing: Option<&Scalar>) -> Type {
    existing
        .filter(|_| format.has_types())
        .map_or(Type::Str, Type::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_in_both_spellings() {
        let tree = Format::Yaml.parse("a.b: 1\n").unwrap();
        for (typed, shown) in [
            ("KEY", "KEY"),
            ("a.b", r#"["a.b"]"#),
            ("stringData.password", "stringData.password"),
            ("l[0].x", "l[0].x"),
            (
                r#"["stringData"]["pass.word"][2]"#,
                r#"stringData["pass.word"][2]"#,
            ),
            (
                r#"stringData["pass.word"][2]"#,
                r#"stringData["pass.word"][2]"#,
            ),
            (
                r#"["x.y"].z["we[ir]d.\u00fc"][0]"#,
                r#"["x.y"].z["we[ir]d.ü"][0]"#,
            ),
        ] {
            assert_eq!(parse_path(typed, &tree).unwrap().to_string(), shown);
        }
        for wrong in [
            "a..b",
            "a.",
            ".a",
            "a.[0]",
            "[x]",
            r#"["a"#,
            "a[b]",
            r#"["a"]b"#,
            r#"["a"]."#,
        ] {
            assert!(parse_path(wrong, &tree).is_err(), "{wrong}");
        }
    }
}
