<?php
/*
Plugin Name: Akismet Anti-Spam
Plugin URI: https://akismet.com/
Version: 5.1
*/
