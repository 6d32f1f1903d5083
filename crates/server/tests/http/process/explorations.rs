//! `tradewind explore`: what it says of situations, of the way to one that must not be, of what cannot be, and when it is
//! broken off.

use serde_json::Value;

use super::alone::{broken_off, ended};

fn explore(flags: &[&str]) -> (Option<i32>, String, String) {
    ended("explore", flags)
}

#[test]
fn every_situation_of_a_case_is_counted_with_how_orders_end() {
    let small = ["--case", "price-changed,unknown-sku", "--method", "card", "--threads", "2"];
    let (status, told, errors) = explore(&small);
    assert_eq!((status, &*errors), (Some(0), ""), "{told}");
    for words in ["card, price-changed", "card, unknown-sku", "rejected (quote_refused)", " on 2 threads, 0 failed."] {
        assert!(told.contains(words), "{words} in {told}");
    }
    let (status, told, _) = explore(&[&small[..], &["--json", "--duplicates", "0"]].concat());
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &told["failed"], &told["duplicates"]), (Some(0), &0.into(), &0.into()));
    let first = &told["explored"][0];
    assert_eq!(
        (&first["case"], &first["exhausted"], &first["found"]),
        (&"price-changed".into(), &true.into(), &Value::Null)
    );
    assert_eq!(first["rests"]["rejected (quote_refused)"], 1);
}

#[test]
fn what_must_not_be_is_told_by_the_shortest_way() {
    let deaf =
        ["--case", "plain", "--method", "balance", "--duplicates", "0", "--without", "shipping:order.cancel_requested"];
    let (status, told, errors) = explore(&deaf);
    assert_eq!((status, &*errors), (Some(1), "tradewind: not everything went as it should\n"));
    for words in ["FAILED", "balance, plain: the order is cancelling for ever", "order: confirmed → cancelling"] {
        assert!(told.contains(words), "{words} in {told}");
    }
    let (_, told, _) = explore(&[&deaf[..], &["--json"]].concat());
    let told: Value = serde_json::from_str(&told).unwrap();
    let found = &told["explored"][0]["found"];
    assert_eq!(found["steps"][0]["said"][0], "order.placed");
    assert_eq!(found["steps"].as_array().unwrap().last().unwrap()["said"][0], "order.cancel_requested");
}

#[test]
fn what_cannot_be_explored_is_refused_with_what_can() {
    let refused: [(&[&str], &str); 7] = [
        (&["--case", "plan"], "a similar value exists: 'plain'"),
        (&["--method", "cash"], "[possible values: balance, card, external]"),
        (&["--case", "no-money", "--method", "card"], "there is no such case with this way of paying"),
        (&["--without", "shipping"], "a handler is SERVICE:EVENT"),
        (&["--without", "shiping:order.cancelled"], "there is no service shiping here; there are orders, "),
        (&["--without", "catalog:order.cancelled"], "catalog does not hear order.cancelled"),
        (&["--states", "0"], "0 is not in 1..=4000000000"),
    ];
    for (flags, says) in refused {
        let (status, told, errors) = explore(flags);
        assert_eq!((status, &*told), (Some(2), ""), "{flags:?}");
        assert!(errors.contains(says), "{errors}");
    }
}

#[tokio::test]
async fn an_exploration_that_is_interrupted_says_how_far_it_came() {
    let told = broken_off(&["explore", "--exhaust", "--duplicates", "8", "--case", "customer-leaves", "--json"]).await;
    assert!(told["states"].as_u64().unwrap() > 1, "{told}");
    let explored = told["explored"].as_array().unwrap();
    assert!(!explored.is_empty() && explored.iter().all(|explored| explored["exhausted"] == false), "{told}");
}
