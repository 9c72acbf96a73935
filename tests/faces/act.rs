//! Uploads, renames, moves and deletions of locked files.

use crate::faces::Name;
use crate::naive::{self, COVERED, DRIVE, Matrix};
use crate::product::{
    Setup, Tried, assert_agreement, disagreements, kinds, setups, takings, try_all,
};
use crate::site::{Site, ghost};
use crate::words::{Action, File, Kind, Outcome, Standing};

#[derive(Debug, Clone)]
struct Case {
    setup: Setup,
    face: Name,
    who: Standing,
    action: Action,
}

impl Case {
    fn expected(&self, matrix: &Matrix) -> Outcome {
        naive::act(
            matrix,
            &kinds(&self.setup),
            self.face,
            self.who,
            self.action,
        )
    }
}

/// Who tries what through which face.
fn steps() -> Vec<(Name, Standing, Action)> {
    let mut steps = Vec::new();
    for face in Name::ALL {
        let shows_tokens = |who: &Standing| face.face().shows_tokens() || !who.shows_tokens();
        for who in Standing::ALL.into_iter().filter(shows_tokens) {
            let actions = face.face().actions().iter();
            steps.extend(actions.map(|action| (face, who, *action)));
        }
    }
    steps
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setup in setups() {
        cases.extend(steps().into_iter().map(|(face, who, action)| Case {
            setup: setup.clone(),
            face,
            who,
            action,
        }));
    }
    cases
}

fn run(site: &Site, case: &Case, file: &File) -> (Outcome, Vec<String>) {
    let face = case.face.face();
    let found = face.act(site, file, case.who, case.action);
    let mut faults = aftermath(site, file, case.action, &found);
    if case.who == Standing::Stranger {
        let of_nothing = face.act(site, &ghost(), case.who, case.action);
        if of_nothing != found {
            faults.push(format!("of what never was: {of_nothing:?}"));
        }
    }
    (found, faults)
}

/// What was done is done, what was refused left no trace, and the locks are where the file is.
fn aftermath(site: &Site, file: &File, action: Action, found: &Outcome) -> Vec<String> {
    let done = *found == Outcome::Done;
    let now = match action {
        Action::Rename if done => Some(file.renamed()),
        Action::Move if done => Some(file.moved()),
        Action::Delete if done => None,
        _ => Some(file.path()),
    };
    let content = if done && action == Action::Upload {
        "two"
    } else {
        "one"
    };
    let mut faults = Vec::new();
    let admin = site.client(Standing::Admin);
    let mut expected = vec![(file.path(), None)];
    if let Some(path) = &now {
        expected.retain(|(old, _)| old != path);
        expected.push((path.clone(), Some(content)));
    }
    for (path, content) in expected {
        let answer = admin.get(&path);
        let there = (answer.status == 200).then(|| answer.text());
        if there.as_deref() != content {
            faults.push(format!("{path} is then {there:?}"));
        }
    }
    if let Some(path) = now {
        let (folder_path, name) = path.rsplit_once('/').expect("a path");
        let moved = File {
            folder_path: folder_path.to_owned(),
            name: name.to_owned(),
            ..file.clone()
        };
        let seen = Name::WebDav.face().see(site, &moved, Standing::Admin);
        let seen = seen.unwrap_or_default().into_iter();
        let mut tokens: Vec<_> = seen.filter_map(|lock| lock.token).collect();
        tokens.sort();
        if tokens != file.tokens() {
            faults.push(format!("the locks are {tokens:?} afterwards"));
        }
    }
    faults
}

#[test]
fn what_is_locked_is_changed_by_whom_the_matrix_names() {
    let site = Site::start();
    let tried = try_all(&cases(), |case| {
        run(&site, case, &site.file_with(&case.setup))
    });
    assert_agreement("changes", &tried, 1000, |case| case.expected(&DRIVE));

    assert_each_cell_counts(&tried, &DRIVE);
}

/// Each single yes and no of the table counts: with any of them turned round, the faces are found
/// to disagree.
fn assert_each_cell_counts(tried: &[Tried<Case>], matrix: &Matrix) {
    for row in 0..matrix.len() {
        for column in 0..Action::ALL.len() {
            let mut wrong = *matrix;
            wrong[row].2[column] ^= true;
            let noticed = disagreements(tried, |case| case.expected(&wrong));
            assert!(!noticed.is_empty(), "unnoticed: {:?} {column}", matrix[row]);
        }
    }
}

#[test]
fn what_lies_in_a_locked_folder_is_changed_by_its_holder_alone() {
    let site = Site::start();
    let steps = steps();
    let locks_folders = |(_, face): &(Kind, Name)| *face != Name::DocSpace;
    let mut cases: Vec<(Case, File)> = Vec::new();
    for taking in takings().filter(locks_folders) {
        let files = site.locked_folder(taking, steps.len());
        cases.extend(steps.iter().zip(files).map(|((face, who, action), file)| {
            let case = Case {
                setup: vec![taking],
                face: *face,
                who: *who,
                action: *action,
            };
            (case, file)
        }));
    }
    let tried = try_all(&cases, |(case, file)| run(&site, case, file));
    let tried: Vec<Tried<Case>> = tried
        .into_iter()
        .map(|tried| Tried {
            case: tried.case.0,
            found: tried.found,
            aftermath: tried.aftermath,
        })
        .collect();
    assert_agreement("changes below", &tried, 400, |case| case.expected(&COVERED));
    assert_each_cell_counts(&tried, &COVERED);
}
