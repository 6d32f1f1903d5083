//! Roles and their duties: for every event of the services that a role plays, the pack says where it comes from.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use crate::{
    canonical,
    fault::{Fault, Faults, line_at},
    manifest::{Duty, PackToml},
    pack::{DutyInfo, DutyMet, Pack, RoleInfo},
};

/// Roles as the pack keeps them.
pub fn infos(manifest: &PackToml) -> BTreeMap<String, RoleInfo> {
    let texts = |spanned: &[Spanned<String>]| spanned.iter().map(|text| text.get_ref().clone()).collect();
    let role = |role: &crate::manifest::Role| RoleInfo {
        plays: texts(&role.plays),
        told_of_end_by: texts(&role.told_of_end_by),
        keeps: role.keeps.clone(),
        duties: role.duties.iter().flat_map(duties).collect(),
    };
    manifest.roles.iter().map(|(name, toml)| (name.clone(), role(toml))).collect()
}

fn duties(duty: &Duty) -> Vec<DutyInfo> {
    let sets = || duty.implied_when.iter().map(|set| set.get_ref().split('|').map(|e| e.trim().to_owned()).collect());
    let met = match &duty.none {
        Some(reason) => DutyMet::None(reason.clone()),
        None if duty.ours => DutyMet::Ours,
        None => DutyMet::Implied {
            when: sets().collect(),
            unless: duty.unless.iter().map(|event| event.get_ref().clone()).collect(),
        },
    };
    duty.events.iter().map(|event| DutyInfo { event: event.get_ref().clone(), met: met.clone() }).collect()
}

/// Every event of a service that a role plays is imported from it or has a duty, and no duty names what is not there.
pub fn check(pack: &Pack, manifest: &PackToml, text: &str, faults: &mut Faults) {
    let mut fault = |span: &Spanned<String>, reason: String| {
        faults.add(Fault::new(super::MANIFEST, line_at(text, span.span().start), reason));
    };
    let services: BTreeSet<&str> = canonical::events().map(|event| event.source).chain(["query"]).collect();
    for (name, role) in &manifest.roles {
        for service in role.plays.iter().filter(|service| !services.contains(service.get_ref().as_str())) {
            fault(service, format!("there is no service `{}`", service.get_ref()));
        }
        for message in &role.told_of_end_by {
            if !pack.messages().any(|known| known.name == *message.get_ref()) {
                fault(message, format!("the pack has no message `{}`", message.get_ref()));
            }
        }
        let imported: BTreeSet<&str> = pack
            .messages
            .iter()
            .filter(|message| message.info.producer == *name)
            .flat_map(|message| message.forms.iter().filter_map(|form| form.imports))
            .map(|event| event.name)
            .collect();
        let mut met: BTreeSet<&str> = imported.clone();
        for duty in &role.duties {
            check_duty(duty, &imported, &mut met, &mut fault);
        }
        if manifest.canonical.is_some() {
            continue;
        }
        let Some(first) = role.plays.first() else { continue };
        for event in canonical::events() {
            let is_played = role.plays.iter().any(|service| service.get_ref() == event.source);
            if is_played && !met.contains(event.name) {
                fault(
                    first,
                    format!("role `{name}` plays {}, and nothing says where {} comes from", event.source, event.name),
                );
            }
        }
    }
}

fn check_duty<'a>(
    duty: &'a Duty,
    imported: &BTreeSet<&str>,
    met: &mut BTreeSet<&'a str>,
    fault: &mut dyn FnMut(&Spanned<String>, String),
) {
    let ways = usize::from(duty.ours) + usize::from(duty.none.is_some()) + usize::from(!duty.implied_when.is_empty());
    for event in &duty.events {
        let name = event.get_ref().as_str();
        if ways != 1 {
            fault(event, "a duty has one of `implied_when`, `ours`, `none`".to_owned());
        }
        if canonical::event(name).is_none() {
            fault(event, format!("there is no canonical event `{name}`"));
        }
        if !met.insert(name) {
            let what = if imported.contains(name) { "a message of the role carries it" } else { "it has two duties" };
            fault(event, format!("`{name}`: {what}"));
        }
    }
    for set in duty.implied_when.iter().chain(&duty.unless) {
        for name in set.get_ref().split('|').map(str::trim) {
            if canonical::event(name).is_none() {
                fault(set, format!("there is no canonical event `{name}`"));
            }
            if duty.events.iter().any(|event| event.get_ref() == name) {
                fault(set, format!("`{name}` would wait for itself"));
            }
        }
    }
}
