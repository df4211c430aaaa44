//! What stands around the documents: other policies, files that a policy names, links, keys, git's
//! own copies.

use std::collections::{BTreeMap, BTreeSet};

use sops_document::Selector;

use crate::policy::content::{looks_sealed, mentions};
use crate::repo::Attribute;
use crate::verify::error::VerifyError;
use crate::verify::facts::{Facts, Link, OtherPolicy};
use crate::verify::plain::{Plain, is_exempt, says_secret};
use crate::verify::rules;
use crate::verify::source::{Candidate, TreeSource, may_be_secret};
use crate::workspace::{POLICY, Workspace};

/// So many neighbours tell whether a rule names secrets.
const MAX_NEIGHBOURS: usize = 32;
/// A larger file that only a rule speaks of is searched for no credential (bytes): it is data.
const LARGE: usize = 256 << 10;

/// Which paths are meant.
type Chosen<'a> = &'a dyn Fn(&str) -> bool;

pub(super) fn add(
    workspace: &Workspace,
    source: TreeSource,
    (wanted, closely): (Chosen<'_>, Chosen<'_>),
    candidates: &[Candidate],
    facts: &mut Facts,
) -> Result<(), VerifyError> {
    facts.others = others(workspace, source, candidates);
    facts.plain = plain(workspace, source, (wanted, closely), candidates, facts);
    let links = candidates
        .iter()
        .filter(|candidate| candidate.is_link() && wanted(&candidate.path));
    facts.links = links
        .filter_map(|link| target(workspace, source, &link.path))
        .collect();
    (facts.caches, facts.caching) = caches(workspace, facts)?;
    facts.read_elsewhere = read_elsewhere(workspace, source, candidates, facts);
    Ok(())
}

/// A hook sees the files that a commit changes. A row of the table that none of them explains may
/// be that of somebody who still reads another one.
fn read_elsewhere(
    workspace: &Workspace,
    source: TreeSource,
    candidates: &[Candidate],
    facts: &Facts,
) -> BTreeSet<String> {
    let rows = rules::unexplained_rows(facts);
    let mut found = BTreeSet::new();
    if rows.is_empty() {
        return found;
    }
    let known: BTreeSet<&str> = facts.files().map(|file| file.path.as_str()).collect();
    let others = candidates
        .iter()
        .filter(|it| it.is_regular() && !known.contains(it.path.as_str()));
    for candidate in others.filter(|candidate| may_be_secret(&candidate.path)) {
        let Some(bytes) = source.read(workspace, &candidate.path).ok().flatten() else {
            continue;
        };
        if looks_sealed(&bytes) {
            let named = rows.iter().filter(|key| mentions(&bytes, key.as_bytes()));
            found.extend(named.cloned());
        }
    }
    found
}

fn others(workspace: &Workspace, source: TreeSource, candidates: &[Candidate]) -> Vec<OtherPolicy> {
    let is_other = |candidate: &&Candidate| {
        candidate.path.ends_with("/.sops.yaml")
            || candidate.path == POLICY && !candidate.is_regular()
    };
    let read = |candidate: &Candidate| {
        let bytes = source.read(workspace, &candidate.path).ok().flatten();
        let bytes = bytes.filter(|_| candidate.is_regular());
        OtherPolicy {
            path: candidate.path.clone(),
            text: bytes.and_then(|bytes| String::from_utf8(bytes).ok()),
        }
    };
    candidates.iter().filter(is_other).map(read).collect()
}

/// Files that are no SOPS documents although a rule with a pattern names them, or their name says
/// so; with what the other files of the rule are.
fn plain(
    workspace: &Workspace,
    source: TreeSource,
    (wanted, closely): (Chosen<'_>, Chosen<'_>),
    candidates: &[Candidate],
    facts: &Facts,
) -> Vec<Plain> {
    let policies = facts.policies();
    let known: BTreeSet<&str> = facts.files().map(|file| file.path.as_str()).collect();
    let mut named: BTreeMap<(String, usize), Vec<&str>> = BTreeMap::new();
    let mut unnamed = Vec::new();
    for Candidate { path, .. } in candidates
        .iter()
        .filter(|it| it.is_regular() && may_be_secret(&it.path))
    {
        match policies
            .rule_for(path, false)
            .filter(|(_, rule)| rule.path_regex.is_some())
        {
            Some((policy, rule)) => named.entry((policy, rule.line)).or_default().push(path),
            None if says_secret(file_name(path)) => unnamed.push(path.as_str()),
            None => {}
        }
    }
    let is_asked = |path: &str| wanted(path) && !known.contains(path) && !is_exempt(path);
    let mut found = Vec::new();
    for paths in named.values() {
        let sample = sample(workspace, source, paths, &known);
        for path in paths.iter().filter(|path| is_asked(path)) {
            let neighbours = sample.iter().filter(|(other, _)| other != path);
            let sealed = neighbours
                .clone()
                .filter(|(_, is_sealed)| *is_sealed)
                .count();
            let others = neighbours.count();
            let is_meant = says_secret(file_name(path)) || others > 0 && sealed * 2 >= others;
            // a rule for all manifests of a cluster names thousands of files
            if !is_meant && !closely(path) {
                continue;
            }
            let Some(bytes) = source.read(workspace, path).ok().flatten() else {
                continue;
            };
            if !is_meant && bytes.len() > LARGE {
                continue;
            }
            let selector = policies
                .rule_for(path, false)
                .map(|(_, rule)| rule.selector());
            let plain = Plain::read(path, &bytes, &selector.unwrap_or_default());
            found.push(Plain {
                is_named: true,
                others,
                sealed,
                ..plain
            });
        }
    }
    for path in unnamed.into_iter().filter(|path| is_asked(path)) {
        let bytes = source.read(workspace, path).ok().flatten();
        found.extend(bytes.map(|bytes| Plain::read(path, &bytes, &Selector::default())));
    }
    found.retain(|plain| plain.line.is_some());
    found
}

/// Some of the files that a rule names, and whether they are sealed.
fn sample<'a>(
    workspace: &Workspace,
    source: TreeSource,
    paths: &[&'a str],
    known: &BTreeSet<&str>,
) -> Vec<(&'a str, bool)> {
    let is_sealed = |path: &str| {
        let read = || source.read(workspace, path).ok().flatten();
        known.contains(path) || read().is_some_and(|bytes| looks_sealed(&bytes))
    };
    let some = paths.iter().step_by(paths.len() / MAX_NEIGHBOURS + 1);
    some.map(|path| (*path, is_sealed(path))).collect()
}

fn target(workspace: &Workspace, source: TreeSource, path: &str) -> Option<Link> {
    // in the work tree a link is never followed; its text stands in the index as well
    let source = if source == TreeSource::WorkTree {
        TreeSource::Index
    } else {
        source
    };
    let bytes = source.read(workspace, path).ok().flatten()?;
    Some(Link {
        path: path.to_owned(),
        target: String::from_utf8(bytes).ok()?,
    })
}

/// Of the drivers that the SOPS files have: those of which git keeps text, and those of which it
/// will.
fn caches(workspace: &Workspace, facts: &Facts) -> Result<(Vec<String>, Vec<String>), VerifyError> {
    let repo = workspace.repo()?;
    let (mut kept, mut told) = (repo.textconv_caches()?, repo.caching_drivers()?);
    if kept.is_empty() && told.is_empty() {
        return Ok((kept, told));
    }
    let mut used = BTreeSet::new();
    for file in facts.files() {
        if let Attribute::Value(driver) = repo.attribute(&file.path, "diff")? {
            used.insert(driver);
        }
    }
    kept.retain(|driver| used.contains(driver));
    told.retain(|driver| used.contains(driver) && !kept.contains(driver));
    Ok((kept, told))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
