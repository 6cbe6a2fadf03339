// What the compiler must refuse. Each line fails to compile when it does not.
import { init, traced, withSpan, type SpanOptions } from 'webspan';
import { userInteraction, webVitals } from 'webspan/captures';

// @ts-expect-error misspelled
init({ serviceNam: 'x' });
// @ts-expect-error no number
init({ serviceName: 5 });
// @ts-expect-error a URL object is no text
init({ endpoint: new URL('https://otel.example.com') });
// @ts-expect-error misspelled, one level down
init({ batch: { scheduledDelayMilli: 5 } });
// @ts-expect-error no text
init({ batch: { maxQueueSize: '2k' } });
// @ts-expect-error no such protocol
init({ protocol: 'grpc' });
// @ts-expect-error no such mode
init({ credentials: 'always' });
// @ts-expect-error a function is no pattern
init({ ignoreUrls: (url: string) => url.endsWith('/health') });
// @ts-expect-error a header is text
init({ headers: { 'x-attempt': 1 } });
// @ts-expect-error and so is what a function gives
init({ headers: async () => ({ 'x-attempt': 1 }) });
// @ts-expect-error no such sampler
init({ sampler: 'sometimes' });
// @ts-expect-error a ratio is a number
init({ sampler: { ratio: '10%' } });
// @ts-expect-error a sampler decides at once
init({ sampler: async () => true });
// @ts-expect-error no such instrumentation
init({ instrumentations: { grpc: true } });
// @ts-expect-error what it gives is wanted, not the function itself
init({ captures: [userInteraction] });
// @ts-expect-error any function is none
init({ captures: [() => {}] });
// @ts-expect-error what it gives is not to be called
userInteraction()();
// @ts-expect-error a list of names
userInteraction({ eventNames: 'click' });
// @ts-expect-error no such measurement
webVitals({ library: { onFID: () => {} } });
// @ts-expect-error an object is no attribute
init({ resourceAttributes: { build: { commit: 'abc' } } });
// @ts-expect-error all elements have one type
init({ resourceAttributes: { mixed: ['a', 1] } });
// @ts-expect-error `true` has no options to redact by
init({ redact: 'all' });
// @ts-expect-error no such level
init({ logLevel: 'verbose' });
// @ts-expect-error no such consent
init({ consent: 'denied' });
// @ts-expect-error takes an error
init({ onError: (code: number) => code });
// @ts-expect-error options are one object
init('https://otel.example.com');

const { tracer } = init();
const span = tracer.startSpan('span');
// @ts-expect-error a date is no attribute
span.setAttribute('at', new Date());
// @ts-expect-error a status is an object
span.setStatus(2);
// @ts-expect-error text is no time
span.end('now');
// @ts-expect-error a link has a context
span.addLink({ attributes: {} });
// @ts-expect-error a kind is a number
tracer.startSpan('span', { kind: 'client' });
// @ts-expect-error a name comes first
tracer.startSpan({ kind: 2 });
// @ts-expect-error there is nothing to run
traced('span');
// @ts-expect-error the result is that of the function
const wrongResult: string = traced('span', () => 5);
// @ts-expect-error something else is no span
withSpan({ traceId: '0' }, () => {});
// @ts-expect-error the tracer stays what it is
init().tracer = tracer;
// @ts-expect-error the internals are not for applications
tracer.core;
// @ts-expect-error the internals are not for applications
span.handle;
const misspelled: SpanOptions = {
  // @ts-expect-error misspelled
  attribute: {},
};

export { misspelled, wrongResult };
