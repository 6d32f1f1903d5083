//! What query shows, through events alone.

mod query {
    mod coverage;
    mod goods;
    mod orders;
    mod rebuild;
    mod sales;
    mod stock;
    mod world;
}
