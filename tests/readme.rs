//! The README promises what the code does: its lock tables are the code's.

use lockkeeper::lock::LockKind;
use lockkeeper::lock::rules::{Action, Policy, Standing, permits};
use lockkeeper::rights::{Privilege, Role};

/// The table as the README prints it.
fn table(policy: Policy) -> String {
    let columns = [
        (
            "persistent: owner",
            LockKind::Persistent,
            &[Standing::Owner, Standing::Bearer][..],
        ),
        (
            "persistent: others",
            LockKind::Persistent,
            &[Standing::Other],
        ),
        (
            "transient: owner with the token",
            LockKind::Transient,
            &[Standing::Bearer],
        ),
        (
            "transient: everybody else",
            LockKind::Transient,
            &[Standing::Owner, Standing::Other],
        ),
        (
            "read-only: anyone",
            LockKind::ReadOnly,
            &[Standing::Bearer, Standing::Owner, Standing::Other],
        ),
    ];
    let actions = [
        ("upload a new version", Action::Upload),
        ("rename", Action::Rename),
        ("move", Action::Move),
        ("delete", Action::Delete),
    ];
    let mut table = String::from("| |");
    columns
        .iter()
        .for_each(|(title, ..)| table += &format!(" {title} |"));
    table += "\n|---|";
    columns.iter().for_each(|_| table += "---|");
    for (name, action) in actions {
        table += &format!("\n| {name} |");
        for (title, kind, standings) in columns {
            let answers: Vec<bool> = standings
                .iter()
                .map(|standing| permits(policy, kind, *standing, action))
                .collect();
            assert!(
                answers.windows(2).all(|pair| pair[0] == pair[1]),
                "the column {title:?} holds standings of which the code treats some otherwise"
            );
            table += if answers[0] { " yes |" } else { " no |" };
        }
    }
    table
}

#[test]
fn the_lock_tables_are_those_of_the_code() {
    let readme = include_str!("../README.md");
    for policy in [Policy::Drive, Policy::Strict] {
        let table = table(policy);
        assert!(
            readme.contains(&table),
            "README.md lacks the {policy:?} table:\n\n{table}\n"
        );
    }
}

#[test]
fn the_roles_are_those_of_the_code() {
    let readme = include_str!("../README.md");
    let mut table = String::from("| role |");
    for privilege in Privilege::ALL {
        table += &format!(" {privilege} |");
    }
    table += &format!("\n|---|{}", "---|".repeat(Privilege::ALL.len()));
    for role in Role::ALL {
        table += &format!("\n| {role} |");
        for privilege in Privilege::ALL {
            let has = role.privileges().has(privilege);
            table += if has { " yes |" } else { " no |" };
        }
    }
    assert!(
        readme.contains(&table),
        "README.md lacks this table:\n\n{table}\n"
    );
}

#[test]
fn the_configuration_table_has_every_setting_with_its_default() {
    let readme = include_str!("../README.md");
    let defaults = toml::Table::try_from(lockkeeper::config::Config::default()).expect("TOML");
    let mut settings = 0;
    for (section, fields) in &defaults {
        for (field, default) in fields.as_table().expect("a section") {
            let row = format!("| `{section}.{field}` | `{default}` |");
            assert!(readme.contains(&row), "README.md lacks the row {row}");
            settings += 1;
        }
    }
    let rows = readme
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains('.'));
    assert_eq!(
        rows.count(),
        settings,
        "README.md has rows for settings that do not exist"
    );
}
