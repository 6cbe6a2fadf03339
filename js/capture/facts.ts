// Facts by number: the same list as `FACTS` in src/capture/names.rs, which gives them their names.

export const URL_FULL = 0;
export const REQUEST_BODY_SIZE = 1;
export const NAVIGATION_TYPE = 2;
export const SAME_DOCUMENT = 3;
export const HASH_CHANGE = 4;
export const INITIATOR_TYPE = 5;
export const DOCUMENT_URL = 6;
export const USER_AGENT = 7;
export const SESSION_ID = 8;
export const SESSION_PREVIOUS_ID = 9;
export const USER_ID = 10;
export const UNFINISHED = 11;
