//! The scenarios of the attack catalogue, each a named world.

use accord_sim::world::World;

#[test]
fn three_bureaus_and_a_laptop_share_a_bulletin_and_a_thread() {
    let mut world = World::new(1);
    let [a, b, c, laptop] = world.county();
    let bulletin = world.publish(a, &[b], "CRIM.SERIES").expect("published");
    let thread = world.open_case(a, &[b], "CRIM.SERIES").expect("opened");
    world.run(20_000);
    world.write_note(b, &thread).expect("b writes");
    world.write_note(laptop, &thread).expect("the laptop writes");
    world.run(20_000);
    let shown = world.show(a, &thread).expect("a holds it");
    assert_eq!(shown.entries.len(), 3);
    for n in [b, laptop] {
        assert_eq!(world.show(n, &thread).map(|v| v.content_hash), Some(shown.content_hash.clone()), "{}", world.nodes[n].name);
        assert!(world.holds(n, &bulletin));
    }
    assert!(!world.holds(c, &bulletin) && !world.holds(c, &thread));
}
