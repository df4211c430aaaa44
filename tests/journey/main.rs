//! Journeys: the binary, real git, real sops, people with their own keys.

mod support;

mod bootstrap;
mod diff;
mod editing;
mod errors;
mod guard;
mod history;
mod honest;
mod people;
mod policy;
mod quiet;
mod rules;
mod shell;
mod whole;
