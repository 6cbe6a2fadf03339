/** Whether the collector can be reached: by anybody, and by a page of this origin. */
import { isIP } from 'node:net';
import { ok, problem, warning, type Finding, type Page, type Unanswered } from './finding.js';

/** Where webspan sends to when it is given this `endpoint`: as js/options.ts has it, which is compiled for pages. */
export function tracesUrl(endpoint: URL): URL {
  const url = new URL(endpoint);
  url.pathname = url.pathname.replace(/(\/v1\/traces)?\/*$/, '/v1/traces');
  return url;
}

/** How far away an address is, as Local Network Access divides them: https://wicg.github.io/local-network-access/ */
type AddressSpace = 'loopback' | 'local' | 'public';

/** Of a host name that is no address: what can be known without asking the domain name system. */
export function addressSpace(host: string): AddressSpace {
  const name = host.replace(/^\[|\]$/g, '').replace(/^::ffff:(?=\d+\.)/i, '').toLowerCase();
  switch (isIP(name)) {
    case 4:
      if (/^127\./.test(name)) return 'loopback';
      return /^(10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.)/.test(name) ? 'local' : 'public';
    case 6:
      if (name === '::1') return 'loopback';
      return /^(f[cd]|fe[89ab])/.test(name) ? 'local' : 'public';
    default:
      if (/(^|\.)localhost$/.test(name)) return 'loopback';
      return /\.local$/.test(name) ? 'local' : 'public';
  }
}

/**
 * What browsers think of a page that sends there, before anything is sent.
 *
 * @param address What the collector's host turned out to be, when it has answered.
 */
export function judgeConnection(tracesUrl: URL, { origin }: Page, address?: string): Finding {
  const check = 'page may connect';
  const page = new URL(origin);
  const isSecure = page.protocol === 'https:';
  const collector = tracesUrl.host;
  const named = addressSpace(tracesUrl.hostname);
  if (isSecure && tracesUrl.protocol === 'http:' && named !== 'loopback') {
    return problem(
      check,
      `Browsers block requests of an https page to ${tracesUrl.origin} (mixed content).`,
      `Give the collector https: by a reverse proxy in front of it, or by receivers.otlp.protocols.http.tls with cert_file and key_file. Or let a path of ${origin} lead to it.`,
    );
  }
  const to = address === undefined ? named : addressSpace(address);
  const from = addressSpace(page.hostname);
  if (to === 'public' || from === 'loopback' || (from === 'local' && to === 'local')) {
    return ok(check, `nothing keeps a page of ${origin} from connecting to ${collector}`);
  }
  const where = to === 'loopback' ? "the visitor's own machine" : "the visitor's local network";
  return warning(
    check,
    `For a page that others open, ${collector} is on ${where}. ` +
      (isSecure
        ? 'Chrome asks them for permission before a public page may connect to it (from 142 on).'
        : 'Chrome refuses that to a public page without https (from 142 on).'),
    'In production, give an endpoint that is reachable from everywhere. Where all who open the page are in that network, allow it for them.',
  );
}

const BAD_CERTIFICATE = /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO_|SELF_SIGNED|UNABLE_TO_)/;

/** What it means that there was no answer. */
export function judgeUnanswered(check: string, url: URL, { code, message }: Unanswered): Finding {
  const grpc = url.port === '4317' ? ' Port 4317 is that of OTLP/gRPC, which no browser can speak; OTLP/HTTP has 4318.' : '';
  const because = (found: string, change: string) => problem(check, `${found}${grpc}`, change);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return because(`The host name ${url.hostname} leads to no address (${code}).`, 'Correct the name, or wait until its DNS entry is known here.');
  }
  if (code === 'ECONNREFUSED') {
    return because(
      `${url.host} refuses connections: nothing listens there.`,
      "Start the collector, or correct the port. In a container it has to listen on all addresses (`endpoint: 0.0.0.0:4318`; the default is localhost), and the port has to be published.",
    );
  }
  if (code === 'ETIMEDOUT' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH') {
    return because(`${url.host} does not answer (${code}).`, 'Look at firewalls and security groups on the way, and whether the host is up.');
  }
  if (BAD_CERTIFICATE.test(code)) {
    return because(
      `The certificate of ${url.host} is not accepted: ${message} (${code}).`,
      'Renew it, or make it one for this name, and let the server send the intermediate certificates too. If your browsers know an authority that Node does not, name it in NODE_EXTRA_CA_CERTS.',
    );
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return because(`${url.host} does not speak TLS (${code}).`, 'If it is a collector without TLS, its URL starts with http:.');
  }
  if (code.startsWith('HPE_') || code === 'ECONNRESET') {
    return because(
      `${url.host} does not answer in HTTP (${message}, ${code}).`,
      url.protocol === 'http:'
        ? 'Look at what listens on this port: OTLP/HTTP is wanted. If it speaks TLS, its URL starts with https:.'
        : 'Look at what listens on this port: OTLP/HTTP is wanted.',
    );
  }
  return because(`The request to ${url.host} has failed: ${message} (${code}).`, 'Look at the collector and at what stands in front of it.');
}
