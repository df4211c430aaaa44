//! What an import would change, checked before anything is written.

use sops_document::{Document, EditError, Path, Scalar, Selector};
use zeroize::Zeroizing;

use super::source::{Given, GivenValue};
use crate::cli::escape::Escaped;
use crate::cli::failure::Failure;
use crate::cli::secrets::names::AllowedNames;
use crate::cli::secrets::values::{
    self, MAX_KEYS, check_managed_value, default_type, plain_text, shape,
};
use crate::cli::ui::Ui;
use crate::workspace::{Opened, sealing};

#[derive(Default)]
pub(super) struct ImportPlan {
    /// Every value of the file, in its order.
    sets: Vec<(Path, Scalar)>,
    rows: Vec<ImportRow>,
    same: usize,
    removed: Vec<Path>,
}

/// What else the import may do.
#[derive(Clone, Copy)]
pub(super) struct ImportOptions {
    /// Remove what the file does not have.
    pub(super) prune: bool,
    /// Replace values by the empty one.
    pub(super) empty: bool,
}

struct ImportRow {
    mark: &'static str,
    key: String,
    shape: String,
}

impl ImportPlan {
    /// All offenders are listed in one error.
    pub(super) fn of(
        opened: &Opened,
        given: &[Given],
        how: ImportOptions,
        names: &AllowedNames,
    ) -> Result<Self, Failure> {
        let target = &opened.target;
        let format = opened.clear.document().format();
        if !format.is_flat() {
            return Err(Failure::usage(format!(
                "{}: import writes YAML, JSON and dotenv files",
                target.path
            )));
        }
        let (mut plan, mut wrong) = (Self::default(), Vec::new());
        for one in given {
            match resolve(opened, one, names) {
                Ok(scalar) if !how.empty && empties(opened, &Path::key(&one.name), &scalar) => {
                    let key = Path::key(&one.name);
                    wrong.push(format!(
                        "`{key}` would become empty; if that is meant: --empty"
                    ));
                }
                Ok(scalar) => plan.add(opened, Path::key(&one.name), scalar),
                Err(failure) => {
                    wrong.push(failure.message.replace(&format!("{}: ", target.path), ""))
                }
            }
        }
        if how.prune {
            plan.prune(opened, given)?;
        }
        let new = plan.rows.iter().filter(|row| row.mark == "+").count();
        let keys = opened.clear.tree().leaves().len() + new - plan.removed.len();
        if target.env.is_some() && keys > MAX_KEYS {
            wrong.push(format!(
                "it would hold {keys} keys; at most {MAX_KEYS} are possible"
            ));
        }
        if wrong.is_empty() {
            return Ok(plan);
        }
        let count = wrong.len();
        let message = format!(
            "{}: {count} value{} cannot be stored; nothing was written",
            target.path,
            if count == 1 { "" } else { "s" }
        );
        // a name from JSON may hold anything
        let failure = Failure::usage(message);
        Err(wrong.iter().fold(failure, |failure, what| {
            failure.detail(Escaped(what).to_string())
        }))
    }

    fn add(&mut self, opened: &Opened, path: Path, scalar: Scalar) {
        let existing = existing(opened, &path);
        if existing == Some(&scalar) {
            self.same += 1;
        } else {
            let was = existing.filter(|existing| existing.type_name() != scalar.type_name());
            let was = was
                .map(|existing| format!("  (was {})", existing.type_name()))
                .unwrap_or_default();
            let mark = if existing.is_some() { "~" } else { "+" };
            let shape = format!("{}{was}", shape(&scalar));
            self.rows.push(ImportRow {
                mark,
                key: path.to_string(),
                shape,
            });
        }
        self.sets.push((path, scalar));
    }

    fn prune(&mut self, opened: &Opened, given: &[Given]) -> Result<(), Failure> {
        let known: std::collections::BTreeSet<&str> =
            given.iter().map(|one| one.name.as_str()).collect();
        for (path, _, leaf) in opened.clear.tree().leaves() {
            if path.0.len() != 1 || opened.clear.tree().documents.len() != 1 {
                return Err(Failure::usage(format!(
                    "{}: --prune works on flat files, and `{path}` is nested",
                    opened.target.path
                )));
            }
            if path.keys().next().is_some_and(|key| !known.contains(key)) {
                self.rows.push(ImportRow {
                    mark: "-",
                    key: path.to_string(),
                    shape: shape(&leaf.scalar),
                });
                self.removed.push(path);
            }
        }
        Ok(())
    }

    /// The text to write; `None` when it is that already.
    pub(super) fn text(&self, opened: &Opened) -> Result<Option<String>, Failure> {
        let text = sealing(&opened.key, |context| {
            opened.clear.set_all(&self.sets, context)
        })?;
        if self.removed.is_empty() {
            return Ok(text);
        }
        let written = match &text {
            None => opened.clear.clone(),
            Some(text) => {
                let failed = |error: &dyn std::fmt::Display| {
                    Failure::usage(format!("{}: {error}", opened.target.path))
                };
                let document = Document::parse(opened.clear.document().format(), text);
                document
                    .map_err(|error| failed(&error))?
                    .open(&opened.key)
                    .map_err(|fault| failed(&fault))?
            }
        };
        Ok(Some(sealing(&opened.key, |context| {
            written.unset_all(&self.removed, context)
        })?))
    }

    /// The keys that are set empty.
    pub(super) fn empty_keys(&self) -> Vec<String> {
        let empty = self.sets.iter().filter(|(_, scalar)| scalar.is_empty_str());
        empty.map(|(path, _)| path.to_string()).collect()
    }

    pub(super) fn print(&self, ui: &Ui) {
        let width = self
            .rows
            .iter()
            .map(|row| row.key.chars().count())
            .max()
            .unwrap_or(0);
        for row in &self.rows {
            ui.mark_line(row.mark, format!("{:width$}  {}", row.key, row.shape));
        }
    }

    /// `5 keys: 3 new, 1 changed, 1 same`
    pub(super) fn counts(&self) -> String {
        let count = |mark: &str| self.rows.iter().filter(|row| row.mark == mark).count();
        let parts = [
            (count("+"), "new"),
            (count("~"), "changed"),
            (self.same, "same"),
            (count("-"), "removed"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}"))
            .collect();
        let keys = self.sets.len();
        let parts = if parts.is_empty() {
            String::new()
        } else {
            format!(": {}", parts.join(", "))
        };
        format!("{keys} key{}{parts}", if keys == 1 { "" } else { "s" })
    }
}

fn existing<'a>(opened: &'a Opened, path: &Path) -> Option<&'a Scalar> {
    Some(&opened.clear.tree().find(path)?.node.leaf()?.scalar)
}

/// A template with empty values is the file of most projects; taken for the real one it would cost
/// every secret.
fn empties(opened: &Opened, path: &Path, scalar: &Scalar) -> bool {
    let was = existing(opened, path).is_some_and(|was| *was != Scalar::Null && !was.is_empty_str());
    scalar.is_empty_str() && was
}

/// The value with its type, or why it cannot be stored.
fn resolve(opened: &Opened, given: &Given, names: &AllowedNames) -> Result<Scalar, Failure> {
    let path = Path::key(&given.name);
    let document = opened.clear.document();
    let is_text = !document.format().has_types();
    let existing = existing(opened, &path);
    let scalar = match &given.what {
        GivenValue::Unfit(why) => return Err(Failure::usage(format!("`{path}` {why}"))),
        GivenValue::Typed(scalar) if is_text => Scalar::Str(plain_text(scalar)),
        GivenValue::Typed(scalar) => scalar.clone(),
        GivenValue::Text(text) => {
            let bytes: Zeroizing<Vec<u8>> = plain_text(text);
            match existing.filter(|existing| plain_text(existing) == bytes) {
                Some(existing) if *existing != Scalar::Null => existing.clone(),
                // a text that does not fit the type that was there is a string
                _ => default_type(document.format(), existing)
                    .read(&path, &bytes)
                    .or_else(|_| values::Type::Str.read(&path, &bytes))?,
            }
        }
    };
    if opened.target.env.is_some() {
        check_managed_value(&opened.target, &path, &scalar, names)?;
    }
    opened.clear.check_set(&path, &scalar)?;
    let selector = &document.metadata().selector;
    let by_comment = matches!(
        selector,
        Selector::EncryptedCommentRegex(_) | Selector::UnencryptedCommentRegex(_)
    );
    if !by_comment && scalar.token_type().is_some() && !selector.selects(&path) {
        let (name, text) = selector.field();
        return Err(EditError::Clear(path, format!("{name}: {text}")).into());
    }
    Ok(scalar)
}
