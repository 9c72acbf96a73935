//! Rows of dead properties. Most resources have none, and their entry says so.

use bytes::Bytes;

use super::engine::StoreError;
use super::keys;
use super::tx::Tx;
use crate::lock::rules::Cleared;
use crate::protocol::xml::{DeadProperty, PropertyPatch, QName};
use crate::resource::{Resource, ResourceId};

/// Longer values are split, because sled keeps large ones in files that it never syncs.
pub(super) const PART_BYTES_MAX: usize = 4000;

impl Tx<'_> {
    /// The dead properties of `resource`, in the order of their names.
    pub async fn dead_properties(
        &mut self,
        resource: &Resource,
    ) -> Result<Vec<DeadProperty>, StoreError> {
        if resource.property_count == 0 {
            return Ok(Vec::new());
        }
        let damaged = || StoreError::Damaged(format!("a property of {} is damaged", resource.id));
        let mut found: Vec<(QName, Vec<u8>)> = Vec::new();
        for (key, value) in self.scan_all(keys::properties(resource.id)).await? {
            let mut fields = key.get(9..).unwrap_or_default().split(|byte| *byte == 0);
            let mut text = || {
                let bytes = fields.next().ok_or_else(damaged)?;
                String::from_utf8(bytes.to_vec()).map_err(|_| damaged())
            };
            let name = QName {
                ns: text()?,
                name: text()?,
            };
            match found.last_mut() {
                Some((last, xml)) if *last == name => xml.extend_from_slice(&value),
                _ => found.push((name, value.to_vec())),
            }
        }
        let property = |(name, xml)| {
            let xml = String::from_utf8(xml).map_err(|_| damaged())?;
            Ok(DeadProperty { name, xml })
        };
        found.into_iter().map(property).collect()
    }

    /// Sets and removes dead properties of `resource`, a member of `parent`, in order.
    pub async fn patch_properties(
        &mut self,
        cleared: &Cleared,
        parent: ResourceId,
        resource: &Resource,
        patches: &[PropertyPatch],
    ) -> Result<Resource, StoreError> {
        let mut count = resource.property_count;
        for patch in patches {
            let name = match patch {
                PropertyPatch::Set(property) => &property.name,
                PropertyPatch::Remove(name) => name,
            };
            let parts = self
                .scan_all(keys::property_parts(resource.id, name))
                .await?;
            count = count.saturating_sub(u32::from(!parts.is_empty()));
            for (key, _) in parts {
                self.delete(key);
            }
            if let PropertyPatch::Set(property) = patch {
                self.put_property(resource.id, property);
                count += 1;
            }
        }
        let modified = if resource.is_collection() {
            self.now
        } else {
            resource.modified
        };
        let patched = Resource {
            property_count: count,
            modified,
            ..resource.clone()
        };
        self.rewrite(cleared, parent, &patched)?;
        Ok(patched)
    }

    fn put_property(&mut self, id: ResourceId, property: &DeadProperty) {
        let parts = property.xml.as_bytes().chunks(PART_BYTES_MAX);
        for (part, bytes) in (0..=u8::MAX).zip(parts) {
            self.put_bytes(
                keys::property(id, &property.name, part),
                Bytes::copy_from_slice(bytes),
            );
        }
    }

    /// Gives `to`, a member of `parent`, the dead properties of `from` instead of its own.
    pub async fn replace_properties(
        &mut self,
        cleared: &Cleared,
        parent: ResourceId,
        from: &Resource,
        to: &Resource,
    ) -> Result<(), StoreError> {
        if from.property_count == 0 && to.property_count == 0 {
            return Ok(());
        }
        self.drop_properties(to.id).await?;
        let _bytes = self.copy_properties(from, to.id).await?;
        let to = Resource {
            property_count: from.property_count,
            ..to.clone()
        };
        self.rewrite(cleared, parent, &to)
    }

    /// Gives `to`, made by this transaction and so without any, the dead properties of `from`;
    /// returns about how many bytes the transaction holds for them.
    pub async fn copy_properties(
        &mut self,
        from: &Resource,
        to: ResourceId,
    ) -> Result<usize, StoreError> {
        const ROW: usize = 256;
        let mut bytes = 0;
        for property in self.dead_properties(from).await? {
            bytes += property.xml.len() + ROW;
            self.put_property(to, &property);
        }
        Ok(bytes)
    }

    /// Removes all; returns how many rows they had.
    pub(super) async fn drop_properties(&mut self, id: ResourceId) -> Result<usize, StoreError> {
        let rows = self.scan_all(keys::properties(id)).await?;
        let count = rows.len();
        for (key, _) in rows {
            self.delete(key);
        }
        Ok(count)
    }
}
