// Loaded before the server (`node --import`), so that `node:http` is instrumented before anyone imports it.
// Where spans go, what they are called and how they are sampled is read from the standard OTEL_* environment variables.
import { register } from 'node:module';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { NodeSDK } from '@opentelemetry/sdk-node';

register('@opentelemetry/instrumentation/hook.mjs', import.meta.url); // without it, what ES modules import is not instrumented

const sdk = new NodeSDK({
  instrumentations: [
    new HttpInstrumentation({ ignoreIncomingRequestHook: (request) => request.url === '/health' }),
  ],
});
sdk.start();

process.once('SIGTERM', async () => {
  await sdk.shutdown(); // sends what is still in the batch
  process.exit(0);
});
