/**
 * What users import.
 *
 * Calls: the file that defines each name; holds explicit exports only, one name a line.
 *
 * @module
 */
export {};
