/**
 * A span as a request gives it: 371 bytes or so, of which most is a URL of 100 characters with ids by chance. Runs in a page: hand its text in.
 * @param {import('@opentelemetry/api').Tracer} tracer
 * @param {number} index of several
 */
export function endRequestSpan(tracer, index) {
  const hex = () => crypto.randomUUID().replaceAll('-', '');
  const attributes = {
    'http.request.method': 'GET',
    'url.full': `https://api.shop.example.com/v2/customers/${hex()}/orders/${hex().slice(18)}?page=2`,
    'server.address': 'api.shop.example.com',
    'server.port': 443,
    'http.response.status_code': 200,
    'network.protocol.version': '2',
    'http.response.body.size': 1000 + index * 7,
  };
  tracer.startSpan('GET', { kind: 2, attributes }).end();
}
