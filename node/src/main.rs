//! accord
fn main() {}
