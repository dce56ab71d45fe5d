//! The requests of the protocol: tools are listed and called, resources listed and
//! read, and every call is recorded.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    CompletionInfo, ErrorData, Implementation, JsonObject, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Reference,
    ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::audit::{Audit, Call};
use super::place::Place;
use super::reply::{Reply, failed};
use super::resources;
use super::tools::{self, Context, Spec};
use super::work::{Failure, Result as Done, Work};
use crate::llm::harmless;

/// How long a call may take: what it has by then it gives.
const LIMIT: Duration = Duration::from_secs(20);
/// Calls that are at work at the same time; others wait.
const AT_ONCE: usize = 4;
/// Characters of a client's own name that are recorded.
const MAX_CLIENT: usize = 100;

/// What a server is told when it is made.
#[derive(Debug, Default)]
pub struct ServerOptions {
    /// There are tools that make changes.
    pub write: bool,
    /// Where calls are recorded.
    pub audit: Option<PathBuf>,
    /// The log of a boot.
    pub log: Option<PathBuf>,
}

/// A server; copies are the same one.
#[derive(Debug, Clone)]
pub struct Server(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    place: Place,
    tools: Vec<Spec>,
    audit: Option<Audit>,
    log: Option<PathBuf>,
    write: bool,
    at_work: Arc<Semaphore>,
}

impl Server {
    /// A server of a place.
    ///
    /// # Errors
    /// When the audit log cannot be opened.
    pub fn new(place: Place, options: ServerOptions) -> std::io::Result<Self> {
        let audit = options.audit.as_deref().map(Audit::open).transpose()?;
        Ok(Self(Arc::new(Shared {
            tools: tools::for_place(place.kind(), options.write),
            place,
            audit,
            log: options.log,
            write: options.write,
            at_work: Arc::new(Semaphore::new(AT_ONCE)),
        })))
    }

    /// Does what a client may ask for, without a client, a thread or a record: what
    /// tests of single answers need. `what` is the name of a tool, `resources/read`
    /// (`uri`), `resources/list` (`cursor`) or `completion/complete` (`value`).
    ///
    /// # Errors
    /// One sentence, as a client would get it.
    pub fn ask(&self, what: &str, arguments: JsonObject) -> Result<Value, String> {
        let work = Work::new(CancellationToken::new(), LIMIT, None);
        self.ask_for(what, arguments, &work).map_err(|failure| match failure {
            Failure::Said(sentence) => sentence,
            Failure::Cancelled => "the call was cancelled".to_owned(),
        })
    }

    fn ask_for(&self, what: &str, arguments: JsonObject, work: &Work) -> Done<Value> {
        let tree = self.0.place.tree()?;
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        Ok(match what {
            "resources/read" => {
                let read = resources::read(&*tree, text("uri").unwrap_or_default())?;
                json!(read.ok_or_else(|| Failure::said("there is no such resource"))?)
            }
            "resources/list" => json!(resources::list(&*tree, text("cursor"), work)?),
            "completion/complete" => {
                json!(resources::complete(&*tree, text("value").unwrap_or_default(), 100))
            }
            tool => {
                let found = self.0.tools.iter().position(|known| known.name == tool);
                let index = found.ok_or_else(|| Failure::said("there is no such tool"))?;
                json!(run(&self.0, index, arguments, work)?.into_result())
            }
        })
    }

    /// The names of the tools.
    pub fn tool_names(&self) -> Vec<&'static str> {
        self.0.tools.iter().map(|tool| tool.name).collect()
    }

    fn instructions(&self) -> String {
        let name = harmless(self.0.place.name(), 200);
        let change = match self.0.write {
            true => "Files can be changed.",
            false => "Nothing can be changed.",
        };
        format!(
            "The files of {name}, a PixelFS: every content is a pixel, known by its id and colour. \
             Paths begin at /; nothing outside can be reached. {change} What cannot be printed in a \
             name is shown as an escape such as \\n or \\xff, and can be given back so."
        )
    }

    /// Does a piece of work on a thread of its own, and tells the client how far it is.
    async fn work<T: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        work: impl FnOnce(&Shared, &Work) -> Done<T> + Send + 'static,
    ) -> Done<T> {
        let permit = Arc::clone(&self.0.at_work).acquire_owned();
        let permit = tokio::select! {
            permit = permit => permit,
            () = context.ct.cancelled() => return Err(Failure::Cancelled),
        };
        let (sender, receiver) = unbounded_channel();
        let wanted = context.meta.get_progress_token();
        let (shared, token) = (Arc::clone(&self.0), context.ct.clone());
        let sender = wanted.is_some().then_some(sender);
        let job = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let at_work = Work::new(token, LIMIT, sender);
            at_work.go_on()?;
            work(&shared, &at_work)
        });
        tell_progress(context, receiver).await;
        job.await.unwrap_or_else(|_| Err(Failure::said("the call failed; this is a bug in pxfs")))
    }

    /// Records a call.
    ///
    /// # Errors
    /// When it cannot be recorded: then its result is not given either.
    fn record(&self, call: &Call<'_>) -> Result<(), ErrorData> {
        let Some(audit) = &self.0.audit else { return Ok(()) };
        audit.record(call).map_err(|error| {
            log::error!("the audit log cannot be written: {error}");
            no_audit()
        })
    }

    /// Refuses all that could not be recorded.
    fn check_audit(&self) -> Result<(), ErrorData> {
        match &self.0.audit {
            Some(audit) if !audit.is_working() => Err(no_audit()),
            _ => Ok(()),
        }
    }
}

fn no_audit() -> ErrorData {
    ErrorData::internal_error("the audit log cannot be written; nothing more is done", None)
}

/// Passes on how far a call is, until it ends.
async fn tell_progress(context: &RequestContext<RoleServer>, mut receiver: UnboundedReceiver<u64>) {
    // Without a token the sender is gone already, or goes with the job.
    while let Some(done) = receiver.recv().await {
        if let Some(token) = context.meta.get_progress_token() {
            let param = ProgressNotificationParam::new(token, done as f64);
            let _ = context.peer.notify_progress(param).await;
        }
    }
}

/// The client, as it names itself.
fn client_of(context: &RequestContext<RoleServer>) -> String {
    let info = context.client_info();
    let name = info.map(|info| format!("{} {}", info.name, info.version));
    harmless(&name.unwrap_or_default(), MAX_CLIENT)
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_completions()
            .build();
        let own = Implementation::new("pxfs", env!("CARGO_PKG_VERSION")).with_title("PixelFS");
        ServerConfig::new(capabilities).with_server_info(own).with_instructions(self.instructions())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.0.tools.iter().map(Spec::describe).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.check_audit()?;
        let (start, client) = (Instant::now(), client_of(&context));
        let arguments = request.arguments.unwrap_or_default();
        let mut call = Call::new("tools/call", &client, &request.name, &arguments);
        let Some(index) = self.0.tools.iter().position(|tool| tool.name == request.name) else {
            let message = format!("there is no tool '{}'", harmless(&request.name, 100));
            call.error = Some(&message);
            self.record(&call)?;
            return Err(ErrorData::invalid_params(message.clone(), None));
        };
        let given = arguments.clone();
        let reply = self.work(&context, move |shared, work| run(shared, index, given, work)).await;
        call.end(start, reply.as_ref().map(Reply::len));
        self.record(&call)?;
        let result: CallToolResult = match reply {
            Ok(reply) => reply.into_result(),
            Err(failure) => failed(&failure),
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.check_audit()?;
        let (start, client) = (Instant::now(), client_of(&context));
        let cursor = request.and_then(|request| request.cursor);
        let arguments = one_argument("cursor", cursor.as_deref());
        let page = self.work(&context, move |shared, work| {
            resources::list(&*shared.place.tree()?, cursor.as_deref(), work)
        });
        let page = page.await;
        let mut call = Call::new("resources/list", &client, "", &arguments);
        call.end(
            start,
            page.as_ref().map(|(files, _)| files.iter().map(|file| file.uri.len()).sum()),
        );
        self.record(&call)?;
        let (resources, next_cursor) = page.map_err(to_protocol)?;
        Ok(ListResourcesResult { next_cursor, ..ListResourcesResult::with_all_items(resources) })
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates(
            !self.0.place.is_plain(),
        )))
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let is_path = matches!(&request.r#ref, Reference::Resource(resource)
            if resource.uri == resources::FILES && request.argument.name == "path");
        if !is_path {
            return Ok(CompleteResult::default());
        }
        self.check_audit()?;
        let (start, client) = (Instant::now(), client_of(&context));
        let typed = request.argument.value;
        let arguments = one_argument("path", Some(&typed));
        let found = self.work(&context, move |shared, _| {
            Ok(resources::complete(&*shared.place.tree()?, &typed, CompletionInfo::MAX_VALUES))
        });
        let found = found.await;
        let mut call = Call::new("completion/complete", &client, "", &arguments);
        call.end(start, found.as_ref().map(|(values, _)| values.iter().map(String::len).sum()));
        self.record(&call)?;
        let (values, more) = found.map_err(to_protocol)?;
        let info = CompletionInfo::with_pagination(values, None, more);
        let info = info.map_err(|error| ErrorData::internal_error(error, None))?;
        Ok(CompleteResult::new(info))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.check_audit()?;
        let (start, client, uri) = (Instant::now(), client_of(&context), request.uri);
        let wanted = uri.clone();
        let found =
            self.work(&context, move |shared, _| resources::read(&*shared.place.tree()?, &wanted));
        let (found, shown) = (found.await, harmless(&uri, 400));
        let message = format!("there is no resource {shown}");
        let none = Failure::said(message.clone());
        let arguments = one_argument("uri", Some(&uri));
        let mut call = Call::new("resources/read", &client, &uri, &arguments);
        let done = found.as_ref().and_then(|found| found.as_ref().ok_or(&none));
        call.end(start, done.map(resources::len));
        self.record(&call)?;
        match found.map_err(to_protocol)? {
            Some(contents) => Ok(ReadResourceResult::new(vec![contents]).into()),
            None => Err(ErrorData::resource_not_found(message, Some(json!({ "uri": shown })))),
        }
    }
}

/// What a request that is no tool's asks for, as a call's arguments.
fn one_argument(name: &str, value: Option<&str>) -> JsonObject {
    value.map(|value| (name.to_owned(), value.into())).into_iter().collect()
}

fn run(shared: &Shared, index: usize, arguments: JsonObject, work: &Work) -> Done<Reply> {
    let context = Context { place: &shared.place, log: shared.log.as_deref(), work };
    match shared.tools.get(index) {
        Some(tool) => (tool.run)(&context, arguments),
        None => Err(Failure::said("there is no such tool")),
    }
}

/// A failure of what is no tool: an error of the protocol.
fn to_protocol(failure: Failure) -> ErrorData {
    match failure {
        Failure::Said(sentence) => ErrorData::invalid_params(sentence, None),
        Failure::Cancelled => ErrorData::internal_error("the request was cancelled", None),
    }
}
