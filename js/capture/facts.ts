// Facts by number: the same list as `FACTS` in src/capture/names.rs, which gives them their names.

export const URL_FULL = 0;
export const STATUS_CODE = 1;
export const REQUEST_BODY_SIZE = 2;
export const NAVIGATION_TYPE = 3;
export const SAME_DOCUMENT = 4;
export const HASH_CHANGE = 5;
export const INITIATOR_TYPE = 6;
export const DOCUMENT_URL = 7;
export const USER_AGENT = 8;
export const SESSION_ID = 9;
export const SESSION_PREVIOUS_ID = 10;
export const USER_ID = 11;
export const UNFINISHED = 12;
