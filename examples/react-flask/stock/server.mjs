import { createServer } from 'node:http';

const port = Number(process.env.SHOP_STOCK_PORT);

const inStock = new Map([
  ['compass', 12],
  ['kettle', 40],
  ['lantern', 7],
  ['map', 250],
  ['rope', 3],
  ['tent', 0],
]);

function answer(path) {
  if (path === '/health') return [200, { status: 'ok' }];
  const sku = /^\/stock\/([a-z]+)$/.exec(path)?.[1];
  if (sku === undefined || !inStock.has(sku)) return [404, { error: `No stock is kept for ${path}.` }];
  return [200, { sku, inStock: inStock.get(sku) }];
}

createServer((request, response) => {
  const [status, body] = answer(request.url);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}).listen(port, '127.0.0.1');
