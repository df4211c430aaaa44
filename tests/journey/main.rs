//! Journeys: the binary, real git, real sops, people with their own keys.

mod support;

mod adopt;
mod bootstrap;
mod diff;
mod editing;
mod errors;
mod exposed;
mod formats;
mod global;
mod guard;
mod history;
mod honest;
mod hooks;
mod import;
mod inputs;
mod ledger;
mod managers;
mod matrix;
mod limits;
mod merge;
mod merges_more;
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
mod tools;
mod values;
mod whole;
