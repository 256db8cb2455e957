//! Servers: addresses, ids, and what each was at what time.

use crate::address::Address;
use crate::findings::{Role, RoleSpan, Server};
use crate::proto::{Sid, Zxid};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Servers kept; a real ensemble has some, an attacker's may have millions.
const MAX_SERVERS: usize = 1_024;
/// Role changes kept per server; beyond, the oldest are let go.
const MAX_ROLES: usize = 1_024;

#[derive(Clone, Debug, Default)]
struct HeldRole {
    sid: Option<Sid>,
    /// Whether more than one id was said at its address.
    is_shared: bool,
    roles: Vec<RoleSpan>,
    last_zxid: Option<Zxid>,
    /// Links on which it leads, not yet closed.
    leads: u32,
}

impl HeldRole {
    /// Its id, where it is the only one at its address.
    fn sid(&self) -> Option<Sid> {
        self.sid.filter(|_| !self.is_shared)
    }
}

/// All servers of a capture.
#[derive(Clone, Debug, Default)]
pub(super) struct Servers {
    held: BTreeMap<Address, HeldRole>,
    /// Servers not kept because there were too many.
    pub(super) refused: u64,
    /// Roles let go, the oldest of a server that had too many.
    pub(super) roles_let_go: u64,
}

impl Servers {
    fn held(&mut self, address: Address) -> Option<&mut HeldRole> {
        if self.held.len() >= MAX_SERVERS && !self.held.contains_key(&address) {
            self.refused += 1;
            return None;
        }
        Some(self.held.entry(address).or_default())
    }

    /// A server's id.
    #[must_use]
    pub(super) fn sid(&self, address: Address) -> Option<Sid> {
        self.held.get(&address).and_then(HeldRole::sid)
    }

    /// The address of the server with an id.
    #[must_use]
    pub(super) fn address(&self, sid: Sid) -> Option<Address> {
        self.held.iter().find(|(_, held)| held.sid() == Some(sid)).map(|(address, _)| *address)
    }

    /// Notes that a server has shown itself.
    pub(super) fn seen(&mut self, address: Address) {
        self.held(address);
    }

    /// Notes a server's id.
    pub(super) fn is_called(&mut self, address: Address, sid: Sid) {
        if let Some(held) = self.held(address).filter(|_| (0..=i64::from(i32::MAX)).contains(&sid.0)) {
            // Several servers behind one address have none in common.
            held.is_shared |= held.sid.is_some_and(|known| known != sid);
            held.sid = Some(sid);
        }
    }

    /// Notes what a server is from a time on.
    pub(super) fn becomes(&mut self, address: Address, role: Role, at: Timestamp) {
        let Some(held) = self.held(address) else { return };
        if let Some(last) = held.roles.last_mut()
            && last.to.is_none()
        {
            if last.role == role {
                return;
            }
            last.to = Some(at.max(last.from));
        }
        let is_full = held.roles.len() >= MAX_ROLES;
        if is_full {
            held.roles.remove(0);
        }
        held.roles.push(RoleSpan { role, from: at, to: None });
        self.roles_let_go += u64::from(is_full);
    }

    /// What a server is, as far as is known.
    #[must_use]
    pub(super) fn role(&self, address: Address) -> Option<Role> {
        let last = self.held.get(&address).and_then(|held| held.roles.last())?;
        last.to.is_none().then_some(last.role)
    }

    /// Whether a server follows or leads.
    #[must_use]
    pub(super) fn serves(&self, address: Address) -> bool {
        self.role(address).is_some_and(|role| role != Role::Looking)
    }

    /// Whether a server is looking for a leader.
    #[must_use]
    pub(super) fn looks(&self, address: Address) -> bool {
        self.role(address) == Some(Role::Looking)
    }

    /// Notes that a server is no longer what it was.
    pub(super) fn ceases(&mut self, address: Address, role: Role, at: Timestamp) {
        if let Some(last) = self.held(address).and_then(|held| held.roles.last_mut())
            && last.role == role
        {
            last.to.get_or_insert(at);
        }
    }

    /// A leader has another link.
    pub(super) fn leads_more(&mut self, address: Address) {
        if let Some(held) = self.held(address) {
            held.leads += 1;
        }
    }

    /// A leader has lost a link; with the last one it leads no more.
    pub(super) fn leads_less(&mut self, address: Address, at: Timestamp) {
        let Some(held) = self.held(address) else { return };
        held.leads = held.leads.saturating_sub(1);
        if held.leads == 0 {
            self.ceases(address, Role::Leader, at);
        }
    }

    /// Notes a zxid that a server proposed or acknowledged.
    pub(super) fn reached(&mut self, address: Address, zxid: Option<Zxid>) {
        if let Some(held) = self.held(address) {
            held.last_zxid = held.last_zxid.max(zxid);
        }
    }

    /// The servers, by address.
    #[must_use]
    pub(super) fn finish(
        self,
        name_of: impl Fn(Address, Option<Sid>) -> (Option<Sid>, Option<String>),
    ) -> Vec<Server> {
        self.held
            .into_iter()
            .map(|(address, held)| {
                let (sid, name) = name_of(address, held.sid());
                let sid = held.sid().or(sid.filter(|_| !held.is_shared));
                Server { address, sid, name, roles: held.roles, last_zxid: held.last_zxid }
            })
            .collect()
    }
}
