/** Exports without a span, and what a collector's answers to them mean. */
import { IN_THE_COLLECTOR, allowedOrigins } from './advice.js';
import { whyHidden } from './cors.js';
import { readResponse, type ExportResponse } from '../otlp.js';
import { ok, problem, warning, type Answer, type Finding, type Page } from './finding.js';

export const PROTOBUF = 'application/x-protobuf';
export const JSON_TYPE = 'application/json';

/** ExportTraceServiceRequest { resource_spans: [{}] }: valid, without a span, and yet no empty body, which some proxies refuse. */
export const PROTOBUF_EXPORT = Uint8Array.of(0x0a, 0x00);
export const JSON_EXPORT = new TextEncoder().encode('{"resourceSpans":[{}]}');
/** A length that goes on behind the end. */
export const GARBAGE = Uint8Array.of(0x0a, 0xff, 0xff);

/** What webspan reads of the answer; undefined for a body that is none. */
function partialSuccess({ headers, body }: Answer): { rejectedSpans: number; errorMessage: string } | undefined {
  let response: ExportResponse;
  try {
    const isJson = /json/.test(headers['content-type'] ?? '') && body.length > 0;
    response = isJson ? (JSON.parse(new TextDecoder().decode(body)) as ExportResponse) : readResponse(body);
  } catch {
    return undefined;
  }
  const { rejectedSpans = 0, errorMessage = '' } = response?.partialSuccess ?? {};
  return {
    // JSON may have anything in their place.
    rejectedSpans: ['number', 'string'].includes(typeof rejectedSpans) ? Number(rejectedSpans) || 0 : 0,
    errorMessage: typeof errorMessage === 'string' ? errorMessage : '',
  };
}

/** Which way of sending is tried, and who uses it. */
export interface Way {
  check: string;
  /** What is lost if it does not work: for `warning`, nothing unless the page is told to send this way. */
  verdict: 'warning' | 'problem';
}

/** The answer to an export that is valid. `guarded`: only with leave can the page read it. */
export function judgeExport({ check, verdict }: Way, answer: Answer, page: Page, guarded: boolean): Finding {
  const { status, headers } = answer;
  const failed = (found: string, change: string, lines: string[] = []): Finding => ({ ...problem(check, found, change, lines), verdict });
  const hidden = guarded ? whyHidden(answer, page) : undefined;
  if (status >= 200 && status < 300) {
    if (/html/.test(headers['content-type'] ?? '')) {
      return failed(`HTTP ${status} with a web page: what answers here takes everything, and is no OTLP receiver.`, "Correct host and path. A server that answers unknown paths with the page's index.html has to pass /v1/traces on.");
    }
    if (hidden !== undefined) {
      return failed(
        `Taken (HTTP ${status}), but the page may not see the answer: ${hidden}. webspan has to take it for a failure and sends again, so that spans arrive twice and more.`,
        IN_THE_COLLECTOR,
        [allowedOrigins(page)],
      );
    }
    const partial = partialSuccess(answer);
    if (!partial) return warning(check, `HTTP ${status}, but the body is not the JSON that its type promises.`, 'Look at what answers here: is it an OTLP receiver?');
    if (partial.rejectedSpans > 0 || partial.errorMessage) {
      return warning(check, `HTTP ${status} with partial success: ${partial.rejectedSpans} spans rejected, "${partial.errorMessage}".`, 'Do what the message says. webspan reports it, counts these spans in stats().dropped.rejected, and does not send them again.');
    }
    return ok(check, `HTTP ${status}`);
  }
  const unseen = hidden === undefined ? '' : ` The page cannot even see that: ${hidden}.`;
  const told = (what: string) => `HTTP ${status}${what}.${unseen}`;
  if (status >= 300 && status < 400) {
    const to = headers['location'] ?? 'nowhere';
    return failed(told(`, a redirect to ${to}`), 'Give webspan the URL that it leads to: on the way, browsers make a GET of it or ask for permission once more.');
  }
  switch (status) {
    case 401:
    case 403:
      return failed(told(': a key is missing or wrong'), "Give it as in the option `headers`: --header 'NAME: VALUE'. It is sent from the page, where everybody can read it; a Collector can add it instead.");
    case 404:
    case 405:
      return failed(told(': nothing takes traces at this path'), 'Correct the path: the Collector has /v1/traces, unless its traces_url_path says otherwise, and a traces pipeline must name the receiver.');
    case 415:
      return failed(told(': this encoding is not taken'), "Take an OTLP/HTTP receiver that knows it, or `protocol: 'http/json'` where only JSON is.");
    case 413:
      return failed(told(': too large, though it has only some bytes'), 'Raise max_request_body_size, or the limit of the proxy in front.');
    case 429:
    case 502:
    case 503:
    case 504:
      return warning(check, told(': overloaded, or what is behind it is away'), 'webspan sends again later. If it stays so, look at the collector and its exporters.');
    default:
      return failed(told(''), 'Look into the log of the collector, or of what stands in front of it.');
  }
}

/** The answer to what is no export: can the page tell that it was refused? */
export function judgeErrorAnswer(answer: Answer, page: Page, guarded: boolean): Finding {
  const check = 'errors readable';
  const { status } = answer;
  if (status < 400) {
    return warning(check, `HTTP ${status} for a body that is no OTLP.`, 'Look at what answers here: it does not read what it is sent, or not at once.');
  }
  const hidden = guarded ? whyHidden(answer, page) : undefined;
  if (hidden === undefined) return ok(check, `HTTP ${status} for a broken body, and the page can see it`);
  return warning(
    check,
    `The error answer (HTTP ${status}) is not for the page: ${hidden}. In the page it looks like a failure of CORS, and webspan keeps repeating what is refused for good.`,
    'What makes error answers has to add the CORS headers to them too; in nginx, `add_header … always`.',
  );
}
