//! Journeys: the binary, real git, real sops, people with their own keys.

mod support;

mod adopt;
mod bootstrap;
mod diff;
mod editing;
mod errors;
mod exposed;
mod formats;
mod guard;
mod history;
mod honest;
mod hooks;
mod import;
mod ledger;
mod merge;
mod neighbours;
mod people;
mod places;
mod policy;
mod quiet;
mod readers;
mod resolve;
mod rules;
mod scan;
mod shell;
mod timeline;
mod values;
mod whole;
