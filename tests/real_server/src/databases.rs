//! Which databases there are, whose they are and what they are called: one JSON file, rewritten
//! whenever that changes. The data itself is the core's.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use spacetimedb::Identity;
use spacetimedb::messages::control_db::{Database, HostType};
use spacetimedb_sats::hash::Hash;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

/// A database.
#[derive(Clone, Serialize, Deserialize)]
pub struct Record {
    pub id: u64,
    /// Number of the folder with the data; a reset takes another one.
    pub replica: u64,
    identity: String,
    owner: String,
    program: String,
    javascript: bool,
    /// How often it was reset.
    generation: u64,
    /// Neither reset nor deletion are allowed.
    pub locked: bool,
}

impl Record {
    pub fn identity(&self) -> Identity {
        Identity::from_hex(&self.identity).expect("written by us")
    }

    pub fn owner(&self) -> Identity {
        Identity::from_hex(&self.owner).expect("written by us")
    }

    /// What the host controller wants to know.
    pub fn database(&self) -> Database {
        Database {
            id: self.id,
            database_identity: self.identity(),
            owner_identity: self.owner(),
            host_type: if self.javascript { HostType::Js } else { HostType::Wasm },
            initial_program: Hash::from_hex(&self.program).expect("written by us"),
            bootstrap_generation: self.generation,
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Name {
    owner: String,
    identity: String,
}

/// The content of the file.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Book {
    last_id: u64,
    databases: Vec<Record>,
    names: BTreeMap<String, Name>,
}

impl Book {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

pub struct Databases {
    path: PathBuf,
    book: Mutex<Book>,
}

impl Databases {
    pub fn open(path: PathBuf) -> Result<Self> {
        let book = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("{} is damaged", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Book::default(),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { path, book: Mutex::new(book) })
    }

    /// Changes the book: on disk first, so that what cannot be written has not happened.
    fn change<T>(&self, edit: impl FnOnce(&mut Book) -> T) -> Result<T> {
        let mut book = self.book.lock().unwrap();
        let mut changed = book.clone();
        let result = edit(&mut changed);
        let new = self.path.with_extension("new");
        let mut file = std::fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec_pretty(&changed)?)?;
        file.sync_data()?;
        std::fs::rename(new, &self.path)?;
        *book = changed;
        Ok(result)
    }

    pub fn by_identity(&self, identity: Identity) -> Option<Record> {
        let book = self.book.lock().unwrap();
        book.databases.iter().find(|record| record.identity() == identity).cloned()
    }

    pub fn owned_by(&self, owner: Identity) -> Vec<Identity> {
        let book = self.book.lock().unwrap();
        book.databases
            .iter()
            .filter(|record| record.owner() == owner)
            .map(Record::identity)
            .collect()
    }

    pub fn identity_of(&self, name: &str) -> Option<Identity> {
        let book = self.book.lock().unwrap();
        book.names
            .get(name)
            .map(|entry| Identity::from_hex(&entry.identity).expect("written by us"))
    }

    pub fn owner_of_name(&self, name: &str) -> Option<Identity> {
        let book = self.book.lock().unwrap();
        book.names.get(name).map(|entry| Identity::from_hex(&entry.owner).expect("written by us"))
    }

    pub fn names_of(&self, identity: Identity) -> Vec<String> {
        let (hex, book) = (identity.to_hex().to_string(), self.book.lock().unwrap());
        book.names
            .iter()
            .filter(|(_, entry)| entry.identity == hex)
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub fn add_name(&self, name: &str, owner: Identity, identity: Identity) -> Result<()> {
        let entry =
            Name { owner: owner.to_hex().to_string(), identity: identity.to_hex().to_string() };
        self.change(|book| _ = book.names.insert(name.to_owned(), entry))
    }

    pub fn replace_names(
        &self,
        names: &[String],
        owner: Identity,
        identity: Identity,
    ) -> Result<()> {
        let entry =
            Name { owner: owner.to_hex().to_string(), identity: identity.to_hex().to_string() };
        self.change(|book| {
            book.names.retain(|_, old| old.identity != entry.identity);
            book.names.extend(names.iter().map(|name| (name.clone(), entry.clone())));
        })
    }

    pub fn add(
        &self,
        identity: Identity,
        owner: Identity,
        host: HostType,
        program: Hash,
    ) -> Result<Record> {
        self.change(|book| {
            let record = Record {
                id: book.next_id(),
                replica: book.next_id(),
                identity: identity.to_hex().to_string(),
                owner: owner.to_hex().to_string(),
                program: program.to_hex().to_string(),
                javascript: host == HostType::Js,
                generation: 0,
                locked: false,
            };
            book.databases.push(record.clone());
            record
        })
    }

    /// Gives the database a fresh replica, to begin with this program.
    pub fn renew(&self, id: u64, host: HostType, program: Hash) -> Result<Record> {
        self.change(|book| {
            let replica = book.next_id();
            let record =
                book.databases.iter_mut().find(|record| record.id == id).expect("it is there");
            record.replica = replica;
            record.program = program.to_hex().to_string();
            record.javascript = host == HostType::Js;
            record.generation += 1;
            record.clone()
        })
    }

    pub fn lock(&self, id: u64, locked: bool) -> Result<()> {
        self.change(|book| {
            for record in book.databases.iter_mut().filter(|record| record.id == id) {
                record.locked = locked;
            }
        })
    }

    /// Forgets the database, but not its names: they stay taken.
    pub fn remove(&self, record: &Record) -> Result<()> {
        self.change(|book| book.databases.retain(|other| other.id != record.id))
    }
}
