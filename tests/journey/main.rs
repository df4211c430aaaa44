//! Journeys: the binary, real git, real sops, people with their own keys.

mod support;
