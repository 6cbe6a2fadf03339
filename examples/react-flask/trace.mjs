// Reads a trace from the viewer as a tree, compares it with what is expected, and prints it.

/**
 * What a span and those below it must at least be. Children are looked for among the children of the span that was found.
 * @typedef {object} Expected
 * @property {string} service
 * @property {string} name
 * @property {'INTERNAL' | 'SERVER' | 'CLIENT'} kind
 * @property {string} [scope]
 * @property {'UNSET' | 'OK' | 'ERROR'} [status] 'UNSET' unless said
 * @property {Record<string, string | number>} [attributes]
 * @property {string[]} [events] names
 * @property {Expected[]} [children]
 */

/** The trace's roots; a span whose parent did not arrive counts as one. Siblings stand in the order of their start. */
export function treeOf(trace) {
  const nodes = new Map(trace.spans.map((span) => [span.spanId, { span, children: [] }]));
  const roots = [];
  for (const node of nodes.values()) (nodes.get(node.span.parentSpanId)?.children ?? roots).push(node);
  const byStart = (one, other) => Number(startNanos(one.span) - startNanos(other.span));
  for (const { children } of nodes.values()) children.sort(byStart);
  return roots.sort(byStart);
}

/**
 * What is missing or different, one line each; nothing when all is there. The span may stand anywhere: what is clicked while a route change is
 * still under way hangs below that.
 */
export function differences(roots, expected) {
  const all = [...roots];
  for (const { children } of all) all.push(...children);
  return search(all, expected, 'the trace').problems;
}

/** Looks for each expected span among the candidates; each candidate is taken once. */
function searchAll(candidates, expectations, where) {
  const left = [...candidates];
  return expectations.flatMap((expected) => {
    const { found, problems } = search(left, expected, where);
    if (found !== undefined) left.splice(left.indexOf(found), 1);
    return problems;
  });
}

function search(candidates, expected, where) {
  const found = candidates.find(({ span }) => titleOf(span) === titleOf(expected) && (expected.scope ?? span.scope.name) === span.scope.name);
  if (found === undefined) {
    const there = candidates.map(({ span }) => titleOf(span)).join(', ') || 'nothing';
    return { problems: [`${where}: no span '${titleOf(expected)}'${expected.scope ? ` of ${expected.scope}` : ''}; there is ${there}`] };
  }
  const here = `${where} > ${expected.name}`;
  return { found, problems: [...compare(found.span, expected, here), ...searchAll(found.children, expected.children ?? [], here)] };
}

function compare(span, { status = 'UNSET', attributes = {}, events = [] }, where) {
  const problems = [];
  if (span.status.code !== status) problems.push(`${where}: status is ${span.status.code}, not ${status}`);
  for (const [key, value] of Object.entries(attributes)) {
    if (span.attributes[key] !== value) problems.push(`${where}: ${key} is ${JSON.stringify(span.attributes[key])}, not ${JSON.stringify(value)}`);
  }
  for (const name of events) {
    const names = span.events.map((event) => event.name);
    if (!names.includes(name)) problems.push(`${where}: no event '${name}'; there is ${names.join(', ') || 'none'}`);
  }
  return problems;
}

/** Service, kind and name of a span, or of an expected one. */
function titleOf({ service, resource, kind, name }) {
  return `${service ?? resource['service.name']} ${kind} ${name}`;
}

export function printTree(roots) {
  const lines = [];
  const visit = ({ span, children }, indent) => {
    lines.push([indent + span.name, span.kind, span.resource['service.name'], span]);
    for (const child of children) visit(child, `${indent}  `);
  };
  for (const root of roots) visit(root, '');
  const widthOf = (column) => Math.max(...lines.map((line) => line[column].length));
  const [nameWidth, kindWidth, serviceWidth] = [0, 1, 2].map(widthOf);
  const beginNanos = startNanos(roots[0].span);
  for (const [name, kind, service, span] of lines) {
    const offset = formatMs(startNanos(span) - beginNanos);
    const duration = formatMs(BigInt(span.endTimeUnixNano) - startNanos(span));
    const error = span.status.code === 'ERROR' ? '  error' : '';
    console.log(`  ${service.padEnd(serviceWidth)}  ${kind.padEnd(kindWidth)}  ${name.padEnd(nameWidth)}  at ${offset}  took ${duration}${error}`);
  }
}

function startNanos(span) {
  return BigInt(span.startTimeUnixNano);
}

function formatMs(nanos) {
  return `${(Number(nanos) / 1e6).toFixed(1).padStart(7)} ms`;
}
