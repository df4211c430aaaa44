//! stax and the real sops on the same files, in both directions.

#[path = "../journey/support.rs"]
mod support;

mod binary;
mod both_ways;
mod edges;
mod groups;
mod ini;
mod layouts;
mod merged_keys;
mod tampered;
mod vectors;
