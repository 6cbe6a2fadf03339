import { requestCpu } from '../requests.mjs';

export default requestCpu({ name: 'XHR', makeThem: 'sendAndSettle', atMost: 0.25 });
