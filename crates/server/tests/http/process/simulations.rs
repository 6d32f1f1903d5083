//! `tradewind simulate`: what it says of seeds, of one step by step, of what cannot be, and when it is broken off.

use serde_json::Value;

use super::alone::{broken_off, ended};

fn simulate(flags: &[&str]) -> (Option<i32>, String, String) {
    ended("simulate", flags)
}

#[test]
fn seeds_that_go_well_are_counted_with_what_happened_in_them() {
    let small = ["--seeds", "3", "--orders", "4", "--threads", "2"];
    let (status, told, errors) = simulate(&small);
    assert_eq!((status, &*errors), (Some(0), ""), "{told}");
    assert!(told.contains("3 seeds in ") && told.contains(" on 2 threads") && told.contains("0 failed"), "{told}");
    let (status, told, _) = simulate(&[&small[..], &["--json", "--from", "7"]].concat());
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &told["from"], &told["seeds"]), (Some(0), &7.into(), &3.into()));
    assert_eq!((&told["failed"], &told["reduced"]), (&Value::Array(Vec::new()), &Value::Null));
    assert!(told["orders"].as_object().unwrap().values().map(|orders| orders.as_u64().unwrap()).sum::<u64>() > 3);
}

#[test]
fn one_seed_is_shown_step_by_step_and_again_the_same() {
    let calm = ["--trace", "--orders", "2", "--faults", "0", "--stores", "1"];
    let (status, told, _) = simulate(&calm);
    assert_eq!(status, Some(0));
    for words in ["s0 commits", "asked of s0: Place", "order.placed", "All is as it must be."] {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert_eq!(simulate(&calm).1, told);
    let (_, json, _) = simulate(&[&calm[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    let steps = json["steps"].as_array().unwrap().iter().map(|step| step.as_str().unwrap());
    assert!(steps.eq(told.lines().take_while(|line| !line.is_empty())));
}

#[test]
fn what_cannot_be_simulated_is_refused_with_what_can() {
    let refused = [
        (["--only-faults", "kil"], "a similar value exists: 'kill'"),
        (["--only-faults", ""], "[possible values: crash-before-commit, "),
        (["--seeds", "0"], "0 is not in 1..=1000000000"),
        (["--seeds", "many"], "invalid digit"),
        (["--from", "9223372036854775808"], "is not in"),
        (["--stores", "5"], "5 is not in 1..=4"),
        (["--threads", "0"], "would be zero"),
        (["--only-orders", "26"], "there is no order 26: there are 26 orders, from 0 on"),
    ];
    for (flags, says) in refused {
        let (status, told, errors) = simulate(&flags);
        assert_eq!((status, &*told), (Some(2), ""), "{flags:?}");
        assert!(errors.contains(says), "{errors}");
    }
}

#[tokio::test]
async fn a_run_that_is_interrupted_says_how_far_it_came() {
    let told = broken_off(&["simulate", "--seeds", "1000000000", "--orders", "1", "--json"]).await;
    assert!((1..1_000_000_000).contains(&told["seeds"].as_u64().unwrap()), "{told}");
}
