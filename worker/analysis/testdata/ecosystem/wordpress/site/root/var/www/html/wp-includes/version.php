<?php
/**
 * The WordPress version string.
 */
$wp_version = '6.2.2';
$wp_db_version = 53496;
