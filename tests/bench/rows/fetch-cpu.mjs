import { requestCpu } from '../requests.mjs';

export default requestCpu({ name: 'fetch', makeThem: 'fetchAndSettle', atMost: 0.3 });
