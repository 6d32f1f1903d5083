//! The store in memory passes the suite of all stores.

use std::sync::Arc;

use tradewind_testkit::{
    MemoryStore,
    store_suite::{Owner, StoreUnderTest},
};

struct InMemory(MemoryStore);

impl StoreUnderTest for InMemory {
    fn own(&self) -> Owner {
        let (epoch, writer) = self.0.own();
        Owner { writer: Box::new(writer), reader: Arc::new(self.0.clone()), epoch }
    }
}

fn fresh() -> InMemory {
    InMemory(MemoryStore::new())
}

tradewind_testkit::store_suite!(fresh);
