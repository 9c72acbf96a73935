//! Old versions of locked files: whoever may not upload brings none back and labels none, whichever
//! face is asked.

use crate::faces::Name;
use crate::naive::{self, COVERED, DRIVE, Matrix};
use crate::product::{
    Setup, Tried, assert_agreement, disagreements, kinds, setups, takings, try_all,
};
use crate::site::{Site, ghost};
use crate::words::{File, Kind, OfVersion, Outcome, Standing};

/// What [`Site`] puts into a file first, and then.
const OLD: &str = "old";
const PRESENT: &str = "one";

#[derive(Debug, Clone)]
struct Case {
    setup: Setup,
    face: Name,
    who: Standing,
    what: OfVersion,
}

impl Case {
    fn expected(&self, matrix: &Matrix) -> Outcome {
        let held = kinds(&self.setup);
        naive::of_version(matrix, &held, self.face, self.who)
    }
}

/// Who tries what through which face.
fn steps() -> Vec<(Name, Standing, OfVersion)> {
    let mut steps = Vec::new();
    for name in Name::ALL {
        let face = name.face();
        let shows_tokens = |who: &Standing| face.shows_tokens() || !who.shows_tokens();
        for who in Standing::ALL.into_iter().filter(shows_tokens) {
            let all = face.of_versions().iter();
            steps.extend(all.map(|what| (name, who, *what)));
        }
    }
    steps
}

fn run(site: &Site, case: &Case, file: &File) -> (Outcome, Vec<String>) {
    let face = case.face.face();
    let found = face.of_version(site, file, case.who, case.what);
    let mut faults = aftermath(site, file, case, &found);
    if case.who == Standing::Stranger && face.knows_users() {
        let of_nothing = face.of_version(site, &ghost(), case.who, case.what);
        if of_nothing != found {
            faults.push(format!("of what never was: {of_nothing:?}"));
        }
    }
    (found, faults)
}

/// What was done is done by whom it was asked of, and what was refused left no trace.
fn aftermath(site: &Site, file: &File, case: &Case, found: &Outcome) -> Vec<String> {
    let done = |what: OfVersion| *found == Outcome::Done && case.what == what;
    let mut faults = Vec::new();
    let content = site.client(Standing::Admin).get(&file.path()).text();
    let expected = if done(OfVersion::Restore) {
        OLD
    } else {
        PRESENT
    };
    if content != expected {
        faults.push(format!("the file is {content:?} afterwards"));
    }
    let admin = Standing::Admin.user();
    let label = done(OfVersion::Label).then_some("mine");
    let mut history = vec![(2, admin, None), (1, admin, label)];
    if done(OfVersion::Restore) {
        history.insert(0, (3, case.who.user(), None));
    }
    let told = site.versions(file);
    let told: Vec<_> = told
        .iter()
        .map(|(number, author, label)| (*number, author.as_str(), label.as_deref()))
        .collect();
    if told != history {
        faults.push(format!("the versions are {told:?} afterwards"));
    }
    let seen = Name::WebDav.face().see(site, file, Standing::Admin);
    let seen = seen.unwrap_or_default().into_iter();
    let mut tokens: Vec<_> = seen.filter_map(|lock| lock.token).collect();
    tokens.sort();
    tokens.dedup();
    let mut taken = file.tokens();
    taken.dedup();
    if tokens != taken {
        faults.push(format!("the locks are {tokens:?} afterwards"));
    }
    faults
}

/// Each yes and no of the matrix about uploads counts.
fn assert_each_cell_counts(tried: &[Tried<Case>], matrix: &Matrix) {
    for row in 0..matrix.len() {
        let mut wrong = *matrix;
        wrong[row].2[0] ^= true;
        let noticed = disagreements(tried, |case| case.expected(&wrong));
        assert!(!noticed.is_empty(), "unnoticed: {:?}", matrix[row]);
    }
}

#[test]
fn versions_of_what_is_locked_are_restored_and_labelled_by_whoever_may_upload() {
    let site = Site::start();
    let mut cases = Vec::new();
    for setup in setups() {
        cases.extend(steps().into_iter().map(|(face, who, what)| Case {
            setup: setup.clone(),
            face,
            who,
            what,
        }));
    }
    let tried = try_all(&cases, |case| {
        run(&site, case, &site.file_with(&case.setup))
    });
    assert_agreement("versions", &tried, 900, |case| case.expected(&DRIVE));
    assert_each_cell_counts(&tried, &DRIVE);
}

#[test]
fn versions_in_a_locked_folder_are_its_holders() {
    let site = Site::start();
    let steps = steps();
    let locks_folders = |(_, face): &(Kind, Name)| *face != Name::DocSpace;
    let mut cases: Vec<(Case, File)> = Vec::new();
    for taking in takings().filter(locks_folders) {
        let files = site.locked_folder(taking, steps.len());
        cases.extend(steps.iter().zip(files).map(|((face, who, what), file)| {
            let case = Case {
                setup: vec![taking],
                face: *face,
                who: *who,
                what: *what,
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
    assert_agreement("versions below", &tried, 300, |case| {
        case.expected(&COVERED)
    });
    assert_each_cell_counts(&tried, &COVERED);
}
