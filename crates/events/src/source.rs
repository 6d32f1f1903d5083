//! Sources of events: the name of a service, or `BRIDGE.ROLE` of what a bridge imports.

/// The parts of `BRIDGE.ROLE`: the bridge, which is a service, and the role that the foreign system plays. `None` for
/// every other text, such as the name of a service, which has no dot.
pub fn bridge_and_role(source: &str) -> Option<(&str, &str)> {
    let (bridge, role) = source.split_once('.')?;
    (!bridge.is_empty() && !role.is_empty() && !role.contains('.')).then_some((bridge, role))
}

/// The service that emits the events of a source: the bridge of `BRIDGE.ROLE`, else the source itself. In its store they
/// are logged first, and from there they are published.
pub fn emitting_service(source: &str) -> &str {
    bridge_and_role(source).map_or(source, |(bridge, _)| bridge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_and_a_role_have_one_dot_between() {
        assert_eq!(bridge_and_role("stocklet.orders"), Some(("stocklet", "orders")));
        for other in ["orders", "", ".", "stocklet.", ".orders", "stocklet.orders.eu", "stocklet..orders"] {
            assert_eq!(bridge_and_role(other), None, "{other:?}");
            assert_eq!(emitting_service(other), other);
        }
        assert_eq!(emitting_service("stocklet.orders"), "stocklet");
    }
}
