//! The plain file: names and what they shall be.

use std::path::Path as FilePath;

use sops_document::{Format, Scalar, Token};

use crate::cli::failure::Failure;
use crate::environment::env_file;

/// How the plain file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum SourceFormat {
    Env,
    Json,
    Yaml,
}

/// One value of the plain file.
pub(super) struct Given {
    pub(super) name: String,
    pub(super) what: GivenValue,
    pub(super) looks_expanded: bool,
}

pub(super) enum GivenValue {
    /// A text without a type.
    Text(Scalar),
    /// A value with its own type.
    Typed(Scalar),
    /// A map, a list or null.
    Unfit(&'static str),
}

impl SourceFormat {
    pub(super) fn of(file: &FilePath) -> Self {
        match file.extension().and_then(|suffix| suffix.to_str()) {
            Some("json") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Env,
        }
    }
}

/// `name` is that of the file, for messages, which never quote it.
pub(super) fn read(format: SourceFormat, name: &str, text: &str) -> Result<Vec<Given>, Failure> {
    let given = match format {
        SourceFormat::Env => env(name, text)?,
        SourceFormat::Json => tree(Format::Json, name, text)?,
        SourceFormat::Yaml => tree(Format::Yaml, name, text)?,
    };
    let is_sealed = |one: &Given| {
        let text = match &one.what {
            GivenValue::Text(scalar) | GivenValue::Typed(scalar) => scalar.as_text(),
            GivenValue::Unfit(_) => None,
        };
        one.name == "sops" || text.is_some_and(|text| Token::parse(text).is_ok())
    };
    if given.iter().any(is_sealed) {
        return Err(
            Failure::usage(format!("{name} is encrypted by SOPS, not a plain file")).hint(
                format!("stax secrets decrypt {name} | stax secrets import - --format {format:?}")
                    .to_lowercase(),
            ),
        );
    }
    Ok(given)
}

fn env(name: &str, text: &str) -> Result<Vec<Given>, Failure> {
    let pairs = env_file::parse(text).map_err(|faults| {
        let failure = Failure::usage(format!(
            "{name} cannot be read as a .env file; nothing was written"
        ));
        faults
            .iter()
            .fold(failure, |failure, fault| failure.detail(fault.to_string()))
    })?;
    let given = |pair: env_file::Assignment| Given {
        name: pair.name,
        what: GivenValue::Text(Scalar::str(&pair.value)),
        looks_expanded: pair.looks_expanded,
    };
    Ok(pairs.into_iter().map(given).collect())
}

fn tree(format: Format, name: &str, text: &str) -> Result<Vec<Given>, Failure> {
    let tree = format
        .parse(text)
        .map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let [root] = tree.documents.as_slice() else {
        return Err(Failure::usage(format!(
            "{name}: one document is needed, not {}",
            tree.documents.len()
        )));
    };
    if !root.is_map() {
        return Err(Failure::usage(format!(
            "{name}: a map of names and values is needed"
        )));
    }
    let given = |entry: &sops_document::tree::Entry| Given {
        name: entry.key.clone().unwrap_or_default(),
        what: match entry.node.leaf().map(|leaf| &leaf.scalar) {
            None => GivenValue::Unfit("is a map or a list; the file has to be flat"),
            Some(Scalar::Null) => {
                GivenValue::Unfit("is null; leave it out, or write an empty string")
            }
            Some(scalar) => GivenValue::Typed(scalar.clone()),
        },
        looks_expanded: false,
    };
    Ok(root.entries().map(given).collect())
}
