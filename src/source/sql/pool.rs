//! Sessions with a database, kept open and bounded, and statements run in them.
//!
//! Not the pool of sqlx: that one hides why a connection cannot be made until its time is over, and knows no way to stop
//! a statement that nobody waits for any more. Here a session that is dropped in the middle of a statement is stopped in
//! its server's own way ([`Driver::stop`]) before its place goes to another.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::dialect::Dialect;
use super::failure::{self, Failed};
use super::rows::{Column, Rows, Value};
use super::statement::Statement;
use crate::error::{Category, Error, Result};
use crate::query::OptionsEntry;
use crate::settings::{Limits, Settings};
use crate::source::secrets::Secrets;

/// How long an unused session is kept.
const IDLE: Duration = Duration::from_secs(300);
/// A session unused for this long is asked whether it is still there.
const TRUSTED: Duration = Duration::from_secs(5);
/// How long stopping a statement may take.
const STOPPING: Duration = Duration::from_secs(10);
/// The pause before the first new attempt; doubled before each further one.
const PAUSE: Duration = Duration::from_millis(200);

/// One database as sqlx speaks with it.
#[async_trait]
pub(super) trait Driver: Sized + Send + Sync + 'static {
    const KIND: &'static str;
    const LABEL: &'static str;
    const DESCRIPTION: &'static str;
    const DIALECT: Dialect;
    /// The keys of `jsonData` that only it knows.
    const SETTINGS: OptionsEntry;
    /// Says the version of the server.
    const VERSION: &'static str;
    /// Says what the user may do besides reading tables, a row each, if there is such a statement.
    const RIGHTS: Option<&'static str> = None;
    /// How long stopping a statement may keep its place from others. `None` until it has stopped: where it goes on here
    /// and not in a server, the next one would come on top of it.
    const STOPPING: Option<Duration> = Some(STOPPING);
    /// A connection, set up to read only.
    type Session: Send + 'static;

    /// Checks the settings.
    fn new(settings: &Settings) -> Result<Self>;

    /// In words, what the rows of [`Self::RIGHTS`] say.
    fn rights(answer: Vec<String>) -> Vec<String> {
        answer
    }

    /// Where the database is, for messages.
    fn place(&self) -> String;

    /// The time zone of times without one.
    fn zone(&self) -> chrono_tz::Tz;

    /// Opens a session.
    async fn open(&self) -> Result<Self::Session, Trouble>;

    /// Whether the other side is still there.
    async fn is_alive(&self, session: &mut Self::Session) -> bool;

    /// Runs a statement in a transaction that reads, and takes it back.
    async fn run(
        &self,
        session: &mut Self::Session,
        statement: &Statement,
        sink: &mut (dyn Sink + Send),
    ) -> Result<After, Trouble>;

    /// Ends a session that does nothing.
    async fn close(&self, session: Self::Session);

    /// Ends a session together with the statement it is busy with.
    async fn stop(&self, session: Self::Session);
}

/// What becomes of a session whose statement is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It is as it was.
    Keep,
    /// The statement may have left something in it: variables, locks.
    Close,
}

/// Takes the rows of an answer.
pub(super) trait Sink {
    /// The columns, before the first row.
    fn begin(&mut self, columns: Vec<Column>);
    /// One row, a value a column.
    fn row(&mut self, row: &[Value<'_>]) -> Result<()>;
    /// How long reading and taking some rows took.
    fn took(&mut self, _time: Duration) {}
}

impl Sink for Rows {
    fn begin(&mut self, columns: Vec<Column>) {
        Rows::begin(self, columns);
    }

    fn row(&mut self, row: &[Value<'_>]) -> Result<()> {
        Rows::row(self, row)
    }

    fn took(&mut self, time: Duration) {
        self.decode_time += time;
    }
}

/// Why a statement ended early.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The database, or the way there.
    Database(sqlx::Error),
    /// We: a limit, or columns that make no series.
    Ours(Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

type Idle<S> = Mutex<Vec<(Instant, S)>>;

/// The sessions of one data source.
pub(super) struct Pool<D: Driver> {
    driver: Arc<D>,
    idle: Arc<Idle<D::Session>>,
    under_way: Arc<Semaphore>,
    limits: Limits,
    secrets: Secrets,
}

/// A session in use.
struct Lease<D: Driver> {
    driver: Arc<D>,
    idle: Arc<Idle<D::Session>>,
    session: Option<D::Session>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<D: Driver> Pool<D> {
    pub(super) fn new(driver: D, settings: &Settings, secrets: Secrets) -> Self {
        Self {
            driver: Arc::new(driver),
            idle: Arc::default(),
            under_way: Arc::new(Semaphore::new(settings.limits.max_concurrent_requests)),
            limits: settings.limits,
            secrets,
        }
    }

    pub(super) fn driver(&self) -> &D {
        &self.driver
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Runs a statement and gives its rows to a new sink. Tried again if the way to the database was at fault.
    ///
    /// # Errors
    /// Of the category that fits.
    pub(super) async fn query<S: Sink + Send>(
        &self,
        statement: &Statement,
        sink: impl Fn() -> S,
    ) -> Result<S> {
        let attempts = async {
            let mut pause = PAUSE;
            let mut attempts = 0;
            loop {
                let mut sink = sink();
                match self.attempt(statement, &mut sink).await {
                    Ok(()) => break Ok(sink),
                    Err(failed) if failed.may_pass && attempts < self.limits.retries => {
                        attempts += 1;
                        tokio::time::sleep(pause).await;
                        pause *= 2;
                    }
                    Err(failed) => break Err(failed.error),
                }
            }
        };
        let timeout = self.limits.timeout;
        match tokio::time::timeout(timeout, attempts).await {
            Ok(answer) => answer,
            Err(_) => Err(failure::timed_out(&self.driver.place(), timeout)),
        }
    }

    async fn attempt(&self, statement: &Statement, sink: &mut (dyn Sink + Send)) -> Result<(), Failed> {
        let explain = |trouble| failure::explain(trouble, D::DIALECT, &self.driver.place(), &self.secrets);
        let mut lease = self.lease().await.map_err(explain)?;
        let Some(session) = &mut lease.session else {
            return Err(Error::new(Category::Internal, "a session was used twice").into());
        };
        match self.driver.run(session, statement, sink).await {
            Ok(After::Keep) => {
                lease.give_back();
                Ok(())
            }
            Ok(After::Close) => {
                if let Some(session) = lease.session.take() {
                    // Best effort: a server that does not answer has lost the session anyway.
                    let _ = tokio::time::timeout(STOPPING, self.driver.close(session)).await;
                }
                Ok(())
            }
            // Ended by the database: closed, since its state is unknown.
            Err(Trouble::Database(error)) => {
                drop(lease.session.take());
                Err(explain(error.into()))
            }
            // Ended by us in the middle of the rows: dropped, and so stopped.
            Err(trouble) => Err(explain(trouble)),
        }
    }

    async fn lease(&self) -> Result<Lease<D>, Trouble> {
        // Never closed.
        let permit = Arc::clone(&self.under_way).acquire_owned().await.ok();
        loop {
            let Some((since, mut session)) = lock(&self.idle).pop() else { break };
            let unused = since.elapsed();
            if unused < TRUSTED || (unused < IDLE && self.driver.is_alive(&mut session).await) {
                return Ok(self.leased(session, permit));
            }
        }
        let session = self.driver.open().await?;
        Ok(self.leased(session, permit))
    }

    fn leased(&self, session: D::Session, permit: Option<OwnedSemaphorePermit>) -> Lease<D> {
        Lease {
            driver: Arc::clone(&self.driver),
            idle: Arc::clone(&self.idle),
            session: Some(session),
            permit,
        }
    }
}

fn lock<S>(idle: &Idle<S>) -> std::sync::MutexGuard<'_, Vec<(Instant, S)>> {
    // Nothing is left half-done under the lock.
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Driver> Lease<D> {
    /// Keeps the session for the next statement.
    fn give_back(mut self) {
        let Some(session) = self.session.take() else { return };
        let mut idle = lock(&self.idle);
        let is_first = idle.is_empty();
        idle.push((Instant::now(), session));
        drop(idle);
        if is_first {
            tokio::spawn(forget_unused(Arc::downgrade(&self.idle)));
        }
    }
}

/// Closes sessions that nobody used for a while, until none is left.
async fn forget_unused<S: Send>(idle: Weak<Idle<S>>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = lock(&idle);
        idle.retain(|(since, _)| since.elapsed() < IDLE);
        if idle.is_empty() {
            return;
        }
    }
}

impl<D: Driver> Drop for Lease<D> {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (driver, permit) = (Arc::clone(&self.driver), self.permit.take());
        runtime.spawn(async move {
            match D::STOPPING {
                // Best effort: a server that cannot be reached has its own time-out.
                Some(most) => drop(tokio::time::timeout(most, driver.stop(session)).await),
                None => driver.stop(session).await,
            }
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database whose statements end once they are let go, whoever waits for them.
    struct Stubborn<const WAITS: bool>(Arc<Semaphore>);

    #[async_trait]
    impl<const WAITS: bool> Driver for Stubborn<WAITS> {
        const KIND: &'static str = "stubborn";
        const LABEL: &'static str = "";
        const DESCRIPTION: &'static str = "";
        const DIALECT: Dialect = Dialect::Sqlite;
        const SETTINGS: OptionsEntry = OptionsEntry::of::<NoSettings>();
        const VERSION: &'static str = "";
        const STOPPING: Option<Duration> = if WAITS { None } else { Some(STOPPING) };
        type Session = ();

        fn new(_settings: &Settings) -> Result<Self> {
            Ok(Self(Arc::new(Semaphore::new(0))))
        }

        fn place(&self) -> String {
            "the stubborn database".to_owned()
        }

        fn zone(&self) -> chrono_tz::Tz {
            chrono_tz::Tz::UTC
        }

        async fn open(&self) -> Result<(), Trouble> {
            Ok(())
        }

        async fn is_alive(&self, _session: &mut ()) -> bool {
            true
        }

        async fn run(
            &self,
            _session: &mut (),
            _statement: &Statement,
            _sink: &mut (dyn Sink + Send),
        ) -> Result<After, Trouble> {
            std::future::pending().await
        }

        async fn close(&self, _session: ()) {}

        async fn stop(&self, _session: ()) {
            let _ended = self.0.acquire().await;
        }
    }

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct NoSettings {}

    struct Nothing;

    impl Sink for Nothing {
        fn begin(&mut self, _columns: Vec<Column>) {}

        fn row(&mut self, _row: &[Value<'_>]) -> Result<()> {
            Ok(())
        }
    }

    /// Whether the place of a cancelled statement is free a minute later, and once it has ended.
    async fn is_free<const WAITS: bool>() -> (bool, bool) {
        let mut settings = Settings::default();
        settings.limits.max_concurrent_requests = 1;
        let driver = Stubborn::<WAITS>::new(&settings).unwrap();
        let ended = Arc::clone(&driver.0);
        let pool = Pool::new(driver, &settings, Secrets::default());
        let statement = Statement::plain("SELECT 1".to_owned());
        let query = pool.query(&statement, || Nothing);
        assert!(tokio::time::timeout(Duration::from_millis(10), query).await.is_err());
        tokio::time::sleep(Duration::from_secs(60)).await;
        let while_busy = pool.under_way.available_permits() == 1;
        ended.add_permits(1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        (while_busy, pool.under_way.available_permits() == 1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_that_runs_here_keeps_its_place_until_it_has_stopped() {
        assert_eq!(is_free::<true>().await, (false, true));
        assert_eq!(is_free::<false>().await, (true, true), "what runs in a server does not");
    }
}
