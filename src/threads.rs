//! The threads for long work: as many at once as there are cores, in the whole process. Maths and the decoding of answers
//! share them, so that neither can take all cores from the other, nor both together from everything else.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

static PERMITS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(count().get())));

/// How many there are.
pub(crate) fn count() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The permits, one a thread.
pub(crate) fn permits() -> Arc<Semaphore> {
    Arc::clone(&PERMITS)
}

/// Waits for one of them, first come, first served.
///
/// # Errors
/// Never: they are not closed.
pub(crate) async fn permit() -> Result<OwnedSemaphorePermit> {
    permits().acquire_owned().await.map_err(|_| Error::cancelled())
}
