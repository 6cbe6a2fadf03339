// Every attribute, event and span name of the captures that are off by default, with its stability and where it is defined. Those of the others
// stand in src/capture/names.rs; these here stand outside of the core, so that only those who import the captures load them.

/** Stable. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/> */
export const URL_FULL = 'url.full';
export const SERVER_ADDRESS = 'server.address';
export const SERVER_PORT = 'server.port';
export const NETWORK_PROTOCOL_NAME = 'network.protocol.name';
export const ERROR_TYPE = 'error.type';
export const CODE_FUNCTION_NAME = 'code.function.name';
/** The value of `error.type` where the browser tells no reason. */
export const OTHER = '_OTHER';

/** In development. <https://opentelemetry.io/docs/specs/semconv/app/app-events/> */
export const WIDGET_NAME = 'app.widget.name';
export const WIDGET_ID = 'app.widget.id';
/** As OpenTelemetry's user-interaction instrumentation has them. */
export const EVENT_TYPE = 'event_type';
export const TARGET_ELEMENT = 'target_element';
/** Ours: instead of its XPath, which changes with every element that is added before. */
export const TARGET_SELECTOR = 'webspan.target.selector';
/** Ours. */
export const TARGET_ROLE = 'webspan.target.role';

/** As OpenTelemetry's long-task instrumentation has them. */
export const LONG_TASK_NAME = 'longtask.name';
export const LONG_TASK_ENTRY_TYPE = 'longtask.entry_type';
/** In milliseconds. */
export const LONG_TASK_DURATION = 'longtask.duration';
/** Ours, in milliseconds, as the Long Animation Frames API tells it. */
export const BLOCKING_DURATION = 'webspan.long_animation_frame.blocking_duration';
/** Ours: an event for each script of the frame. */
export const EVENT_SCRIPT = 'script';
export const SCRIPT_INVOKER = 'webspan.script.invoker';
export const SCRIPT_INVOKER_TYPE = 'webspan.script.invoker_type';
/** In milliseconds. */
export const SCRIPT_DURATION = 'webspan.script.duration';
export const SCRIPT_FORCED_LAYOUT_DURATION = 'webspan.script.forced_style_and_layout_duration';

/** In development. <https://opentelemetry.io/docs/specs/semconv/browser/events/> */
export const WEB_VITAL = 'browser.web_vital';
export const WEB_VITAL_NAME = 'browser.web_vital.name';
export const WEB_VITAL_VALUE = 'browser.web_vital.value';
export const WEB_VITAL_DELTA = 'browser.web_vital.delta';
export const WEB_VITAL_ID = 'browser.web_vital.id';
export const WEB_VITAL_RATING = 'browser.web_vital.rating';
export const WEB_VITAL_NAVIGATION_TYPE = 'browser.web_vital.navigation_type';

/** Ours, of connections, in messages and in bytes without what frames them. */
export const MESSAGES_SENT = 'webspan.messages.sent';
export const MESSAGES_RECEIVED = 'webspan.messages.received';
export const BYTES_SENT = 'webspan.bytes.sent';
export const BYTES_RECEIVED = 'webspan.bytes.received';
/** Ours: the subprotocol that the server has chosen, if it is a name and no token. */
export const WEBSOCKET_PROTOCOL = 'webspan.websocket.protocol';
/** Ours. <https://www.rfc-editor.org/rfc/rfc6455#section-7.4> */
export const WEBSOCKET_CLOSE_CODE = 'webspan.websocket.close_code';
/** Ours: how often the browser has connected again by itself. */
export const RECONNECTS = 'webspan.event_source.reconnects';

/** Ours, as in src/capture/names.rs: the page went away while this was still going on. The span ends when the page did. */
export const UNFINISHED = 'webspan.unfinished';
