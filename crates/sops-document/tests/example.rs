//! The example runs.

#[path = "../examples/life_of_a_document.rs"]
mod life_of_a_document;

#[test]
fn a_document_lives_from_its_first_encryption_to_a_removed_reader() {
    life_of_a_document::main().unwrap();
}
